"""Every choice that can change a number, in one frozen value that reads and writes as TOML.

The descriptions below are the only declaration of each parameter: the commented study.toml of `mvd init`, the
documentation and any form shown to a user are generated from them.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import textwrap
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from mvd.errors import ProtocolError

Name = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


class StainPlan(_Section):
    """How brown is told from blue."""

    vectors: Literal["slide", "h-dab"] = Field(
        "slide",
        description="stain vectors: 'slide' estimates them from each slide, 'h-dab' takes the standard ones "
        "(Ruifrok & Johnston 2001)",
    )


class CountingRule(_Section):
    """What counts as one microvessel."""

    name: Name = Field("kini", description="name of the rule, written into every result")
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
        20.0,
        ge=0,
        le=1000,
        description="smallest area of a vessel, its lumen included; 20 µm² is a disc of 5 µm, the thinnest "
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


class CountPlan(_Section):
    """How counts become a density with its uncertainty."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the confidence interval of the MVD")
    hotspot_density: bool = Field(
        True,
        description="also search the whole involved area for the densest field (slower on whole slides; the sampled "
        "fields stay the same)",
    )


class Protocol(_Section):
    """One study's choices. `digest` names them; two results with the same digest were made by the same choices."""

    title: str = Field("Bone-marrow microvessel density", description="title of the study, for reports only")
    timepoints: tuple[Name, ...] = Field(
        ("pre", "post"),
        min_length=1,
        description="names of the timepoints in order; the first is the one before treatment",
    )
    stain: StainPlan = StainPlan()
    rule: CountingRule = CountingRule()
    fields: FieldPlan = FieldPlan()
    involved: InvolvedPlan = InvolvedPlan()
    counts: CountPlan = CountPlan()

    @field_validator("timepoints")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a timepoint is named twice")
        return names

    @property
    def digest(self) -> str:
        """SHA-256, first 16 hex digits, of every choice but the title."""
        choices = self.model_dump(mode="json", exclude={"title"})
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
            raise ProtocolError("\n".join(f"{where}: {line}" for line in _explain(error))) from error

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
    # JSON's strings, numbers, booleans and flat lists are TOML's too, but for one character that TOML wants escaped.
    literal = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    literal = literal.replace("\x7f", "\\u007f")
    comment = textwrap.fill(description or "", 100, initial_indent="# ", subsequent_indent="#   ")
    return f"{comment}\n{key} = {literal}\n"


def _explain(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            yield f"unknown key '{key}'{_nearest(fault['loc'])}; mvd init writes a file with every key"
        else:
            yield f"'{key}' is {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}"


def _nearest(location: tuple[int | str, ...]) -> str:
    """A hint such as " (did you mean 'side_um'?)" for a key that does not exist."""
    model: type[BaseModel] = Protocol
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        model = annotation
    near = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""
