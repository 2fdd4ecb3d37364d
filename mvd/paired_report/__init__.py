"""The report of the paired comparison: a page that opens offline, a workbook, tidy tables and figures.

Everything is made from a `Comparisons`, and from the `Evidence` of a study with images; nothing is computed anew.
"""

from mvd.paired_report.evidence import (
    CountedField,
    Evidence,
    FieldPicture,
    ObserverRecord,
    Origin,
    ReadVessel,
    ReportTable,
)
from mvd.paired_report.gather import Folders, read_evidence
from mvd.paired_report.keys import Pseudonyms, read_or_make_pseudonyms, write_key
from mvd.paired_report.renaming import pseudonymised
from mvd.paired_report.writing import NUMBERS, Written, key_beside, write_report

__all__ = [
    "NUMBERS",
    "CountedField",
    "Evidence",
    "FieldPicture",
    "Folders",
    "ObserverRecord",
    "Origin",
    "Pseudonyms",
    "ReadVessel",
    "ReportTable",
    "Written",
    "key_beside",
    "pseudonymised",
    "read_evidence",
    "read_or_make_pseudonyms",
    "write_key",
    "write_report",
]
