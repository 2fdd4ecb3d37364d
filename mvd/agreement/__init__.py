"""How well readers agree: the same vessels, the same counts. Pure; a reader is an observer or the program.

estimate     a figure with its interval, or why there is none
objects      which vessels of two readers are the same, and the share that is
correlation  intraclass correlation
limits       Bland–Altman limits of agreement, of the difference and of the ratio
variation    coefficient of variation within one specimen or field
clusters     intervals that know which fields are of one specimen
reads        what one reader counted in one field
compared     everything about every two readers
"""

from mvd.agreement.compared import Agreement, Pair, agreement_of
from mvd.agreement.correlation import icc, intraclass
from mvd.agreement.estimate import CONFIDENCE, Estimate
from mvd.agreement.limits import BlandAltman, Limits, bland_altman, limits_of_agreement
from mvd.agreement.objects import MIN_IOU, Detection, Marked, detect, match_boxes, match_marked
from mvd.agreement.reads import FieldRead, Reader
from mvd.agreement.variation import Variation, within_subject_variation

__all__ = [
    "CONFIDENCE",
    "MIN_IOU",
    "Agreement",
    "BlandAltman",
    "Detection",
    "Estimate",
    "FieldRead",
    "Limits",
    "Marked",
    "Pair",
    "Reader",
    "Variation",
    "agreement_of",
    "bland_altman",
    "detect",
    "icc",
    "intraclass",
    "limits_of_agreement",
    "match_boxes",
    "match_marked",
    "within_subject_variation",
]
