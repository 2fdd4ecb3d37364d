"""What the paired comparison of a study gives; densities, differences and shifts are in vessels/mm²."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mvd.protocol import ComparisonPlan

Test = Literal["wilcoxon_signed_rank", "mann_whitney", "friedman"]


@dataclass(frozen=True, slots=True)
class CountRow:
    """The count of one specimen, however it was made."""

    patient: str
    timepoint: str
    specimen: str | None
    """None where a table of counts gives no names."""
    count: float | None
    """Vessels over all fields; the mean of several observers may be a fraction."""
    area_mm2: float | None
    """None where only a density was given."""
    mvd_per_mm2: float | None
    response: str | None
    """The patient's response group."""
    source: str
    """Who counted: 'program', the name of an observer, 'mean of anna, bert', or 'table'."""
    reviewed: bool
    """Whether an observer has reviewed this specimen, or counted it."""
    reason: str | None = None
    """Why there is no MVD; None where there is one."""
    caution: str | None = None
    """What to know about an MVD that is used all the same: a word or two, a colon and the reason, such as 'too few
    fields: 2 of 5 fields fit'; None where there is nothing to know."""
    ci_low: float | None = None
    """Interval of the MVD at the protocol's level (`confidence` in [counts]); None of a table, and of a mean of several
    observers, whose counts of the same fields are not independent."""
    ci_high: float | None = None

    def __post_init__(self) -> None:
        if (self.mvd_per_mm2 is None) == (self.reason is None):
            raise ValueError(f"{self.patient}, {self.timepoint}: give either an MVD or the reason why there is none")
        if self.reason is not None and self.caution is not None:
            raise ValueError(f"{self.patient}, {self.timepoint}: a caution is about an MVD, and there is none")

    @property
    def name(self) -> str:
        """The specimen's, else the patient and the timepoint."""
        return self.specimen or f"{self.patient}, {self.timepoint}"

    @property
    def caution_in_short(self) -> str | None:
        """What stands before the colon: 'too few fields'."""
        return self.caution and self.caution.partition(":")[0]


@dataclass(frozen=True, slots=True)
class TimepointSummary:
    """The MVD of all specimens of one timepoint; every number is None when there are none."""

    timepoint: str
    n: int
    median: float | None
    minimum: float | None
    maximum: float | None
    q1: float | None
    """First quartile, linear between the two nearest values (numpy's default, R's type 7)."""
    q3: float | None
    mean: float | None
    sd: float | None
    """Standard deviation of the sample (n - 1); None also for n = 1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test, with everything without which a p-value cannot be read."""

    name: str
    """Such as '3mo vs pre', 'change 3mo vs pre by response', '3mo by response', 'all timepoints'."""
    n: int
    """Pairs, or patients, that entered."""
    groups: tuple[tuple[str, int], ...]
    """Response groups with their numbers of patients; empty for a test within patients."""
    test: Test
    method: str
    """How p was computed, and what was done with ties and zeros."""
    alternative: Literal["two-sided"]
    statistic: float | None
    p_value: float | None
    p_adjusted: float | None
    """Holm's, within the family that `note` names; None where nothing was adjusted."""
    estimate: float | None
    """Hodges-Lehmann shift: later minus earlier timepoint, or first minus second group."""
    ci_low: float | None
    ci_high: float | None
    confidence: float | None
    """Level that the interval has at least."""
    effect: float | None
    effect_name: str
    """Matched-pairs rank-biserial correlation, rank-biserial correlation or Kendall's W."""
    note: str
    """Why there is no p-value, or what to know about it."""


@dataclass(frozen=True, slots=True)
class PatientChange:
    """One patient at one later timepoint, or at the chosen post value, against the first timepoint."""

    patient: str
    timepoint: str
    """A later timepoint, or 'earliest', 'latest' or 'mean' for the chosen post value."""
    response: str | None
    pre: float | None
    post: float | None
    difference: float | None
    """Post minus pre; None unless both are measured."""
    ratio: float | None
    """Post over pre; None unless both are measured and pre is above 0."""
    missing: str | None
    """Why the pair is not complete; None for a pair."""


@dataclass(frozen=True, slots=True)
class ModelTerm:
    """One coefficient of the count model, as a ratio of densities."""

    name: str
    ratio: float
    ci_low: float
    ci_high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class CountModel:
    """A model of the counts themselves, to see whether the rank tests hang on their method."""

    text: str
    """What was fitted, in a sentence; empty when nothing was."""
    method: str
    terms: tuple[ModelTerm, ...]
    """Empty when the model did not fit."""
    note: str
    """Why it did not fit, or what to know about it."""


@dataclass(frozen=True, slots=True)
class Power:
    """What a comparison of this size could have found."""

    comparison: str
    n: int
    detectable: float | None
    """Shift in vessels/mm² that this many pairs find with the given power."""
    power: float | None
    """The power at which `detectable` holds, such as 0.8."""
    text: str
    """The same in a sentence, with how it was computed."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Everything that the comparison of one study computed."""

    title: str
    timepoints: tuple[str, ...]
    source: str
    """Whose counts were compared, in words."""
    rows: tuple[CountRow, ...]
    changes: tuple[PatientChange, ...]
    summaries: tuple[TimepointSummary, ...]
    comparisons: tuple[Comparison, ...]
    model: CountModel
    power: tuple[Power, ...]
    unreviewed: tuple[str, ...]
    """Specimens whose count nobody reviewed."""
    left_out: tuple[tuple[str, str], ...]
    """Specimen or patient, and why it did not enter."""
    plan: ComparisonPlan
    file: str | None = None
    """Name of the table's file, which the title and `source` may give; it may name a patient. None for a study."""

    @property
    def pairs(self) -> tuple[PatientChange, ...]:
        """The changes at later timepoints, without those at the chosen post value, which would double one of them."""
        return tuple(one for one in self.changes if one.timepoint in self.timepoints)

    @property
    def post_values(self) -> tuple[PatientChange, ...]:
        """One change a patient, at the chosen post value; none where there is one later timepoint."""
        return tuple(one for one in self.changes if one.timepoint not in self.timepoints)

    @property
    def cautioned(self) -> tuple[CountRow, ...]:
        """The rows whose MVD is used with a caution."""
        return tuple(row for row in self.rows if row.caution)
