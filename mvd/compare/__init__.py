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

__all__ = [
    "Comparison",
    "Comparisons",
    "CountModel",
    "CountRow",
    "ModelTerm",
    "PairedChange",
    "PatientChange",
    "Power",
    "SpecimenValue",
    "TimepointSummary",
    "paired_differences",
]
