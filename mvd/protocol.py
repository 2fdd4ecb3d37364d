"""Every choice of a study, in one frozen value that reads and writes as TOML.

The descriptions below are the only declaration of each parameter: the commented study.toml of `mvd init`, the
sentences about what is wrong in a file and any form shown to a user are generated from them.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from mvd.errors import ProtocolError
from mvd.faults import faults
from mvd.rules import rule_choices, rule_names, rule_text

Name = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
ClassName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,31}$")]
"""A small letter, then small letters, digits and _: it becomes the name of a column."""

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]

Measure = Literal["density", "area", "chalkley"]
"""What vessels are measured by: their number, the area that they cover, points of a graticule on them."""

NOT_MEASURING = ("title", "review", "compare")
"""Parts of the protocol that change no number of the program's: with others, no result is out of date."""

MOST_STEPS = 5
"""Of sensitivity, up or down: five are a factor of 2.5."""
_AS_BEFORE: dict[str, dict[str, object]] = {
    "stain": {"sensitivity": 0},
    "involved": {"frame": "scanned", "classes": [], "exclude": []},
}
"""Choices that came later than results, each with the value that measures as if there were no choice: at that value
the digest leaves them out, so that those results stand."""


class _Section(BaseModel):
    # Strict: "false" in quotes is a text and no choice. A whole number is still a number.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class StainPlan(_Section):
    """How brown is told from blue."""

    vectors: Literal["slide", "h-dab"] = Field(
        "slide",
        description="stain vectors: 'slide' estimates them from each slide, 'h-dab' takes the standard ones "
        "(Ruifrok & Johnston 2001)",
    )
    sensitivity: int = Field(
        0,
        ge=-MOST_STEPS,
        le=MOST_STEPS,
        description="how pale stain may be and still count as stained, in whole steps: 0 as measured on each slide, "
        "each step up takes stain that is a fifth paler (density over the background, divided by 1.2), each step "
        "down asks for a fifth more; mvd calibrate proposes a value from an observer's corrections",
    )


class SizeClass(_Section):
    """Vessels that are counted apart; what is not given is no limit."""

    name: ClassName = Field(description="name of the class")
    min_lumen_width_um: float = Field(0.0, ge=0, le=1000, description="least width of the lumen")
    min_width_um: float = Field(0.0, ge=0, le=1000, description="least mean width of the vessel")
    min_wall_um: float = Field(0.0, ge=0, le=1000, description="least mean thickness of the stained wall")

    @property
    def is_limited(self) -> bool:
        return bool(self.min_lumen_width_um or self.min_width_um or self.min_wall_um)


class CountingRule(_Section):
    """What counts as one microvessel."""

    name: Name = Field(
        "kini",
        description="name of the rule, written into every result; the name of a shipped rule stands for its choices, "
        "and other choices need a name of their own",
    )
    lumen_required: bool = Field(False, description="count only vessels with a visible lumen")
    join_gap_um: float = Field(
        8.0,
        ge=0,
        le=50,
        description="stained pieces of one wall or in one line are one vessel when the gap is at most this wide; "
        "about the length of one unstained endothelial nucleus",
    )
    branches: Literal["one", "separate"] = Field(
        "one", description="branches that visibly join are 'one' vessel or are counted 'separate'ly"
    )
    min_area_um2: float = Field(
        12.5,
        ge=0,
        le=1000,
        description="smallest area of a vessel, its lumen included; 12.5 µm² is a disc of 4 µm, the thinnest "
        "endothelial cell cut across",
    )
    max_lumen_width_um: float = Field(
        50.0,
        gt=0,
        le=1000,
        description="a lumen wider than this makes a large vessel, which is not counted; about eight red cells "
        "(Weidner 1995)",
    )
    single_cells: Literal["reject", "count"] = Field(
        "reject",
        description="single round stained cells of 8-12 µm with their own nucleus (CD34+ progenitors, blasts): "
        "'reject' or 'count'",
    )
    bone_edge_um: float = Field(
        5.0, ge=0, le=100, description="stain closer than this to bone is periosteum or endosteum and is not counted"
    )
    size_classes: tuple[SizeClass, ...] = Field(
        (),
        max_length=10,
        strict=False,
        description='classes that are counted apart, such as { name = "sinusoid", min_lumen_width_um = 10.0 }, also '
        "with min_width_um and min_wall_um (mean thickness of the stained wall); a vessel is of the first class whose "
        "limits it reaches, and the last class has none; [] counts all vessels alike",
    )

    @field_validator("size_classes")
    @classmethod
    def _every_vessel_has_one(cls, classes: tuple[SizeClass, ...]) -> tuple[SizeClass, ...]:
        if len({one.name for one in classes}) != len(classes):
            raise ValueError("a class is named twice")
        if [one.is_limited for one in classes] != [True] * (len(classes) - 1) + [False] * bool(classes):
            raise ValueError("the last class, and no other, must be without limits, so that every vessel has a class")
        return classes


class ScorePlan(_Section):
    """Which learned score must take a candidate for a vessel before the rule counts it."""

    model: ModelName = Field(
        "shipped",
        description="'shipped' is the program's own model, 'none' leaves it to the rule alone; else the folder of a "
        "model, relative to this file",
    )


class FieldPlan(_Section):
    """Where the counting fields lie and which vessels belong to them."""

    placement: Literal["systematic", "hotspot", "manual"] = Field(
        "systematic",
        description="'systematic' (uniform random start), 'hotspot' (the densest fields that do not overlap) or "
        "'manual' (from the file named in the manifest's column 'fields')",
    )
    number: int = Field(5, ge=1, le=1000, description="fields per specimen")
    side_um: float = Field(
        250.0, ge=20, le=5000, description="side of a square field; 250 µm is 0.0625 mm², an ocular grid at 400x"
    )
    min_evaluable_fraction: float = Field(
        0.75, gt=0, le=1, description="least part of a field that must be evaluable involved marrow"
    )
    border: Literal["frame", "centre", "touching"] = Field(
        "frame",
        description="'frame' is the unbiased counting frame (Gundersen 1977): top and right edges include, left and "
        "bottom exclude; 'centre' counts a vessel whose reference point is inside; 'touching' counts all that touch",
    )
    seed: int = Field(1, ge=0, le=2**32 - 1, description="seed of the random start; each specimen derives its own")


class InvolvedPlan(_Section):
    """Which marrow is measured where the manifest names no involved area."""

    default: Literal["all", "suggest"] = Field(
        "all",
        description="without an involved area in the manifest, measure 'all' analysable marrow, or 'suggest' the "
        "lymphocyte-rich part from the haematoxylin (a suggestion until an observer accepts it)",
    )
    frame: Literal["scanned", "canvas"] = Field(
        "scanned",
        description="where (0, 0) of GeoJSON files lies on slides whose canvas is larger than what was scanned (MIRAX, "
        "SCN, BIF): 'scanned', the corner of what was scanned, as QuPath shows and exports it; 'canvas', that of the "
        "canvas, as QuPath does with --no-crop",
    )
    classes: tuple[Name, ...] = Field(
        (),
        strict=False,
        description="classes of annotations that are the involved area, besides those whose names say so (Involved, "
        "CLL, Tumor, infiltrate, …)",
    )
    exclude: tuple[Name, ...] = Field(
        (),
        strict=False,
        description="classes of annotations that are cut out of it, besides those whose names say so (Ignore*, "
        "Exclude, Necrosis, Artefact, normal, not involved, …)",
    )


class CountPlan(_Section):
    """How counts become a density with its uncertainty."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the confidence interval of the MVD")
    measure: Measure = Field(
        "density",
        description="what is shown first and compared between timepoints: 'density' (the MVD), 'area' (share of the "
        "marrow that vessels cover) or 'chalkley' (points of a 25-point graticule on vessels); the first two are in "
        "every result, the third only where it is asked for here",
    )
    hotspot_density: bool = Field(
        True,
        description="also search the whole involved area: the densest field, a map of the density, and hot spots "
        "(slower on whole slides; the sampled fields stay the same)",
    )
    map_kernel_um: float = Field(
        114.0,
        ge=30,
        le=1000,
        description="standard deviation of the Gaussian kernel of the density map and its hot spots (114 µm: Kather "
        "2015)",
    )


class ReviewPlan(_Section):
    """How observers review; it changes nothing that the program measures."""

    blinded: bool = Field(
        False,
        description="observers see codes in a random order of their own instead of specimens, and nothing that tells "
        "patient or timepoint",
    )
    first_read: Literal["assisted", "unaided"] = Field(
        "assisted",
        description="'assisted' shows what the program found from the start, 'unaided' only after the observer has "
        "counted",
    )
    repeat_share: float = Field(
        0.1, ge=0, le=1, description="share of the specimens that a blinded observer reads a second time"
    )
    order_seed: int = Field(1, ge=0, le=2**32 - 1, description="seed of the random order; each observer has their own")


class ComparisonPlan(_Section):
    """How timepoints and response groups are compared; it changes nothing that the program measures."""

    counts: str = Field(
        "program",
        description="whose counts are compared: 'program', 'observer:NAME' (one observer's), 'mean' (of all observers "
        "who finished the specimen) or 'mean:NAME,NAME' (of these observers)",
    )
    """'table' is what a comparison says of a table that names no observer; a study has no such counts."""

    post: Literal["earliest", "latest", "mean"] = Field(
        "earliest",
        description="the one value after treatment of a patient who has several: of the 'earliest' timepoint (which "
        "most patients reach), of the 'latest', or the 'mean' of all",
    )
    zeros: Literal["wilcoxon", "pratt"] = Field(
        "wilcoxon",
        description="pairs without a difference in the signed-rank test: 'wilcoxon' drops them before ranking "
        "(Wilcoxon 1945), 'pratt' ranks them and drops them then (Pratt 1959)",
    )
    pairwise: Literal["first", "all"] = Field(
        "first",
        description="timepoints that are tested in pairs, beside the Friedman test over all of them: each later one "
        "against the 'first', or 'all' pairs; Holm's adjustment is over these tests",
    )
    confidence: float = Field(
        0.95, ge=0.9, lt=1, description="level of the confidence intervals of shifts and of the count model"
    )
    power: float = Field(
        0.8, gt=0.5, lt=1, description="power at which the smallest change that the design could find is given"
    )

    @field_validator("counts")
    @classmethod
    def _says_whose(cls, counts: str) -> str:
        kind, _, names = counts.partition(":")
        observers = [" ".join(name.split()) for name in names.split(",")] if names else []
        whose = f"{kind}:{','.join(observers)}" if observers else counts
        singular = kind == "observer" and len(observers) == 1 and observers[0]
        several = kind == "mean" and len(observers) > 1 and all(observers) and len(set(observers)) == len(observers)
        if whose in ("program", "mean", "table") or singular or several:
            return whose
        raise ValueError(
            f"'{counts[:100]}' does not say whose counts; write 'program', 'observer:NAME', 'mean' or 'mean:NAME,NAME'"
        )

    def with_counts(self, counts: str) -> Self:
        """The plan with other counts.

        Raises
        ------
        ProtocolError
            The text does not say whose.
        """
        try:
            return self.model_validate({**self.model_dump(), "counts": counts})
        except ValidationError as error:
            raise ProtocolError("\n".join(faults(type(self), error))) from error

    @property
    def observers(self) -> tuple[str, ...]:
        """Observers whom `counts` names; none for 'program', and for 'mean', which is of everybody."""
        names = self.counts.partition(":")[2]
        return tuple(names.split(",")) if names else ()


class Protocol(_Section):
    """One study's choices. `digest` names them; two results with the same digest were made by the same choices."""

    title: str = Field("Bone-marrow microvessel density", description="title of the study, for reports only")
    timepoints: tuple[Name, ...] = Field(
        ("pre", "post"),
        min_length=1,
        strict=False,
        description="names of the timepoints in order; the first is the one before treatment",
    )
    stain: StainPlan = StainPlan()
    rule: CountingRule = CountingRule()
    score: ScorePlan = ScorePlan()
    fields: FieldPlan = FieldPlan()
    involved: InvolvedPlan = InvolvedPlan()
    counts: CountPlan = CountPlan()
    review: ReviewPlan = ReviewPlan()
    compare: ComparisonPlan = ComparisonPlan()

    @field_validator("timepoints")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a timepoint is named twice")
        return names

    @model_validator(mode="after")
    def _is_what_its_name_says(self) -> Self:
        if departures := ", ".join(_departures(self)):
            raise ValueError(
                f"'rule.name' is '{self.rule.name}', but {departures}; set that back "
                f"(as mvd init --rule {self.rule.name.casefold()} writes it), or give the rule a name of its own"
            )
        return self

    @classmethod
    def of_rule(cls, name: str) -> Self:
        """The protocol of a shipped rule (`mvd.rules.rule_names`).

        Raises
        ------
        ProtocolError
            There is no such rule.
        """
        return cls.from_toml(rule_text(name), where=f"rule {name}")

    @property
    def digest(self) -> str:
        """SHA-256, first 16 hex digits, of every choice that can change what the program measures."""
        choices = self.model_dump(mode="json", exclude=set(NOT_MEASURING))
        for section, added in _AS_BEFORE.items():
            kept = {key: value for key, value in choices[section].items() if added.get(key, ...) != value}
            choices[section] = kept
        canonical = json.dumps(choices, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @classmethod
    def from_toml(cls, text: str, *, where: str = "study.toml") -> Self:
        """Read a protocol.

        Raises
        ------
        ProtocolError
            Every fault found, one a line, each with its key and what is expected.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ProtocolError(f"{where} is not valid TOML: {error}") from error
        except ValidationError as error:
            raise ProtocolError("\n".join(f"{where}: {line}" for line in faults(cls, error))) from error

    def to_toml(self) -> str:
        """The protocol as commented TOML; reading it back gives an equal value."""
        top, sections = [], []
        for key, field in type(self).model_fields.items():
            value = getattr(self, key)
            if isinstance(value, _Section):
                intro = (type(value).__doc__ or "").strip()
                entries = "\n".join(_entry(k, f.description, getattr(value, k)) for k, f in _fields(value))
                sections.append(f"# {intro}\n[{key}]\n{entries}")
            else:
                top.append(_entry(key, field.description, value))
        return "\n".join(top) + "\n" + "\n".join(sections)


def _fields(section: _Section) -> Iterator[tuple[str, Any]]:
    return iter(type(section).model_fields.items())


def _entry(key: str, description: str | None, value: object) -> str:
    comment = textwrap.fill(description or "", 100, initial_indent="# ", subsequent_indent="#   ")
    return f"{comment}\n{key} = {_literal(value)}\n"


def _literal(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, _Section):
        return "{ " + ", ".join(f"{key} = {_literal(getattr(value, key))}" for key, _ in _fields(value)) + " }"
    if isinstance(value, tuple) and any(isinstance(item, _Section) for item in value):
        return "[\n" + "".join(f"    {_literal(item)},\n" for item in value) + "]"
    # JSON's strings, numbers, booleans and flat lists are TOML's too, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _departures(protocol: Protocol) -> Iterator[str]:
    """Where a protocol that bears a shipped rule's name makes another choice than the rule."""
    name = protocol.rule.name.casefold()
    if name not in rule_names():
        return
    shipped = CountingRule.model_validate(rule_choices(name)["rule"])
    stated = [("rule", key, getattr(shipped, key)) for key, _ in _fields(shipped) if key != "name"]
    for section, choices in rule_choices(name).items():
        stated += [(section, key, value) for key, value in choices.items() if section != "rule"]
    for section, key, value in stated:
        own = getattr(getattr(protocol, section), key)
        if own != value and isinstance(own, tuple):
            yield f"'{section}.{key}' is not that of {name}"
        elif own != value:
            yield f"'{section}.{key}' is {_literal(own)} where {name} has {_literal(value)}"
