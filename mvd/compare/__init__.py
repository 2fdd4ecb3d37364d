"""Specimens of one patient side by side, and groups of patients: the paired comparison of a study."""

from mvd.compare.changes import PairedChange, SpecimenValue, paired_differences
from mvd.compare.model import (
    Comparison,
    Comparisons,
    CountModel,
    CountRow,
    ModelTerm,
    PatientChange,
    Power,
    TimepointSummary,
)
from mvd.compare.observers import ObserverCount, mean_count
from mvd.compare.plain import as_plain
from mvd.compare.study import compare_counts

__all__ = [
    "Comparison",
    "Comparisons",
    "CountModel",
    "CountRow",
    "ModelTerm",
    "ObserverCount",
    "PairedChange",
    "PatientChange",
    "Power",
    "SpecimenValue",
    "TimepointSummary",
    "as_plain",
    "compare_counts",
    "mean_count",
    "paired_differences",
]
