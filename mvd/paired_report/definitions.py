"""What each column of the tables means and its unit: the one declaration, for the workbook, the page and the tests."""

from __future__ import annotations

from collections.abc import Mapping

DENSITY, SHIFT, AREA = "vessels/mm²", "vessels/mm²", "mm²"

_SPECIMEN = ("", "name of the specimen: one biopsy at one timepoint")
_PATIENT = ("", "the patient's code; specimens of one patient are paired")
_PLACE = ("µm", "from the left or top edge of the slide image")
_INTERVAL = (
    "{} end of the MVD's interval, at the level of the protocol's [counts]; empty for a table of counts and for a mean "
    "of several observers"
)
_PAIRS = {
    "patient": _PATIENT,
    "timepoint": ("", ""),
    "response": ("", "the patient's response group"),
    "pre": (DENSITY, "MVD at the first timepoint"),
    "post": (DENSITY, "MVD at the later timepoint"),
    "difference": (DENSITY, "post minus pre; empty unless both were measured"),
    "ratio": ("", "post over pre; empty unless both were measured and pre is above 0"),
    "missing": ("", "why the pair is not complete; empty for a pair"),
}

DEFINITIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "timepoints": {
        "timepoint": ("", "as named in the protocol, in its order; the first is the one before treatment"),
        "n": ("specimens", "with an MVD at this timepoint"),
        "median": (DENSITY, "of the MVD of all specimens of the timepoint, paired or not"),
        "minimum": (DENSITY, "smallest MVD"),
        "maximum": (DENSITY, "largest MVD"),
        "q1": (DENSITY, "first quartile, linear between the two nearest values"),
        "q3": (DENSITY, "third quartile, linear between the two nearest values"),
        "mean": (DENSITY, "arithmetic mean"),
        "sd": (DENSITY, "standard deviation of the sample (n − 1)"),
    },
    "tests": {
        "name": ("", "what is compared with what"),
        "n": ("patients", "pairs, or patients, that entered the test"),
        "groups": ("patients", "response groups, each with its number of patients; empty for a test within patients"),
        "test": ("", "wilcoxon_signed_rank, mann_whitney or friedman"),
        "method": ("", "how p was computed, and what was done with ties and zeros"),
        "alternative": ("", "sidedness of the test"),
        "statistic": ("", "of the test: V (signed ranks), U (rank sums) or Friedman's chi-squared"),
        "p_value": ("", "empty where there is none; the note then says why"),
        "p_adjusted": ("", "after Holm's adjustment; empty where nothing was adjusted"),
        "estimate": (SHIFT, "Hodges–Lehmann shift: later minus earlier timepoint, or first minus second group"),
        "ci_low": (SHIFT, "lower end of the shift's interval"),
        "ci_high": (SHIFT, "upper end of the shift's interval"),
        "confidence": ("", "level of that interval"),
        "effect": ("", "size of the effect, from −1 to 1 (Kendall's W: from 0 to 1)"),
        "effect_name": ("", "which measure of the effect's size"),
        "note": ("", "why there is no p-value, or what to know about it"),
    },
    "specimens": {
        "patient": _PATIENT,
        "timepoint": ("", "as named in the protocol"),
        "specimen": _SPECIMEN,
        "response": ("", "the patient's response group"),
        "source": ("", "who counted: program, an observer, the mean of several observers, or table"),
        "reviewed": ("", "whether an observer has reviewed or counted the specimen"),
        "count": ("vessels", "over all fields; the mean of several observers may be a fraction"),
        "area_mm2": (AREA, "evaluable area of the fields; empty where only a density was given"),
        "mvd_per_mm2": (DENSITY, "microvessel density: the count over the area"),
        "ci_low": (DENSITY, _INTERVAL.format("lower")),
        "ci_high": (DENSITY, _INTERVAL.format("upper")),
        "reason": ("", "why there is no MVD; empty where there is one"),
        "caution": ("", "what to know about an MVD that is used all the same: its status and the reason"),
    },
    "pairs": _PAIRS | {"timepoint": ("", "the later one")},
    "post_values": _PAIRS
    | {
        "timepoint": ("", "the rule for a patient's one value after treatment: earliest, latest or mean"),
        "post": (DENSITY, "MVD by that rule"),
    },
    "fields": {
        "specimen": _SPECIMEN,
        "field": ("", "name of the field within its specimen"),
        "source": ("", "program, or the observer who counted it"),
        "x_um": ("µm", "left edge of the field, from the left edge of the slide image"),
        "y_um": ("µm", "top edge of the field, from the top edge of the slide image"),
        "side_um": ("µm", "side of the square field"),
        "evaluable_mm2": (AREA, "evaluable involved marrow within the field"),
        "count": ("vessels", "that belong to the field by the border rule"),
        "per_mm2": (DENSITY, "count over evaluable area"),
    },
    "vessels": {
        "specimen": _SPECIMEN,
        "vessel": ("", "name of the object within its specimen"),
        "x_um": _PLACE,
        "y_um": _PLACE,
        "x0_um": ("µm", "left edge of the bounding box"),
        "y0_um": ("µm", "top edge of the bounding box"),
        "x1_um": ("µm", "right edge of the bounding box"),
        "y1_um": ("µm", "bottom edge of the bounding box"),
        "area_um2": ("µm²", "stained wall"),
        "lumen_area_um2": ("µm²", "lumen"),
        "length_um": ("µm", "longest extent"),
        "width_um": ("µm", "mean width"),
        "wall_um": ("µm", "mean thickness of the stained wall; half the width where there is no lumen"),
        "perimeter_um": ("µm", "of the outline"),
        "mean_dab_od": ("OD", "mean optical density of DAB over the stained wall"),
        "pieces": ("", "separate pieces of stain that were joined to this object"),
        "counted": ("", "whether it counts"),
        "reason": ("", "why it does not count; empty when it counts"),
        "field": ("", "names of the fields it belongs to, joined with ;"),
        "ambiguous": ("", "near a limit of the counting rule, whether counted or not"),
        "size_class": ("", "where the rule has size classes"),
        "score": ("", "probability of being a vessel by the learned score; empty where none was asked"),
        "source": ("", "program, or the observer who left it so"),
    },
    "model": {
        "name": ("", "term of the count model"),
        "ratio": ("", "of densities: 1.2 is 20 % more vessels per mm²"),
        "ci_low": ("", "lower end of the ratio's interval"),
        "ci_high": ("", "upper end of the ratio's interval"),
        "p_value": ("", "of the term, two-sided"),
    },
    "power": {
        "comparison": ("", "which comparison"),
        "n": ("patients", "that entered it"),
        "detectable": (SHIFT, "shift that a comparison of this size finds with the given power"),
        "power": ("", "probability of finding that shift"),
        "text": ("", "the same in a sentence"),
    },
    "left out": {
        "name": ("", "specimen or patient"),
        "reason": ("", "why it did not enter"),
    },
    "not reviewed": {"specimen": ("", "its count was reviewed by nobody")},
}
"""Table -> column -> unit and meaning."""
