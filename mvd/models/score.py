"""The learned score on disk, read and checked."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mvd.errors import ModelError
from mvd.vessels.choosing import GroupModel
from mvd.vessels.look import Convolution, Look
from mvd.vessels.score import FEATURES, ScoreModel
from mvd.vessels.steps import Steps
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES

CARD_FILE, WEIGHTS_FILE = "card.json", "weights.json"
SHIPPED = "vessel_score"
NONE = "none"
"""Chosen in a protocol, it leaves the count to the rule alone."""

_INSTALLED = Path(__file__).parent
_SOURCE_TREE = Path(__file__).parents[2] / "models"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Card(_Part):
    """What a model is, what it was made from and how good it is."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    task: str
    stain: str
    um_per_px: float
    """Pixel size at which the features are measured."""
    licence: str
    learner: str
    made_with: dict[str, str]
    """Program and library versions."""
    weights_sha256: str
    threshold: float
    compact_threshold: float
    features: dict[str, str]
    """What each is, with its unit."""
    data: dict[str, Any]
    """What it learned from: kinds, seeds, numbers."""
    validation: dict[str, Any]
    """On examples that it did not learn from, each set with its numbers and calibration curve."""
    limits: tuple[str, ...] = Field(strict=False)
    """Sentences: where it is not to be trusted."""


class _Step(_Part):
    cuts: tuple[float, ...] = Field(strict=False)
    logits: tuple[int, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(self.logits) != len(self.cuts) + 1:
            raise ValueError(f"{len(self.cuts)} cuts need one step more, not {len(self.logits)}")
        if any(b <= a for a, b in zip(self.cuts, self.cuts[1:], strict=False)):
            raise ValueError("cuts must rise")
        return self


class _Groups(_Part):
    """A `GroupModel`."""

    joint_base: float
    joints: dict[str, float]
    base: int
    features: dict[str, _Step]


class _Convolution(_Part):
    inputs: int = Field(gt=0)
    weights: str
    """base64 of (out, in, 3, 3) signed bytes."""
    factor: tuple[float, ...] = Field(strict=False)
    offset: tuple[float, ...] = Field(strict=False)
    halved: bool


class _Look(_Part):
    """A `Look`."""

    convolutions: tuple[_Convolution, ...] = Field(strict=False)
    hidden: tuple[tuple[float, ...], ...] = Field(strict=False)
    output: tuple[float, ...] = Field(strict=False)


class _Weights(_Part):
    format: Literal[3]
    base: int
    threshold: float = Field(gt=0, lt=1)
    compact_threshold: float = Field(gt=0, lt=1)
    features: dict[str, _Step]
    groups: _Groups | None = None
    look_weight: float = 0.0
    look: _Look | None = None


def weights_text(model: ScoreModel) -> str:
    """The numbers of a model as its weights file holds them; the same model gives the same text."""
    head = (
        f'"format": 3,\n "base": {model.base},\n "threshold": {model.threshold!r},\n '
        f'"compact_threshold": {model.compact_threshold!r},\n "look_weight": {model.look_weight!r}'
    )
    parts = f"{_steps_text(FEATURES, model.steps)}{_groups_text(model.groups)}{_look_text(model.look)}"
    return f'{{{head},\n "features": {parts}}}\n'


def _steps_text(names: Iterable[str], steps: Iterable[Steps]) -> str:
    found = {
        name: {"cuts": step.cuts.tolist(), "logits": step.logits.tolist()}
        for name, step in zip(names, steps, strict=True)
    }
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(step)}" for name, step in found.items()) + "\n }"


def _groups_text(groups: GroupModel | None) -> str:
    if groups is None:
        return ""
    joints = dict(zip(JOINT_FEATURES, groups.joint_slopes, strict=True))
    return (
        f',\n "groups": {{"joint_base": {groups.joint_base!r}, "joints": {json.dumps(joints)}, '
        f'"base": {groups.group_base},\n "features": {_steps_text(GROUP_FEATURES, groups.group_steps)}}}'
    )


def _look_text(look: Look | None) -> str:
    if look is None:
        return ""
    layers = ",\n".join(
        "   "
        + json.dumps(
            {
                "inputs": layer.weights.shape[1],
                "weights": base64.b64encode(layer.weights.tobytes()).decode(),
                "factor": layer.factor.tolist(),
                "offset": layer.offset.tolist(),
                "halved": layer.is_halved,
            }
        )
        for layer in look.convolutions
    )
    hidden = ",\n".join(f"   {row}" for row in look.hidden.tolist())
    return (
        f',\n "look": {{"convolutions": [\n{layers}\n  ],\n  "hidden": [\n{hidden}\n  ],\n'
        f'  "output": {look.output.tolist()}}}'
    )


def shipped_score() -> ScoreModel:
    """The model that comes with the program."""
    folder = _INSTALLED / SHIPPED
    return _read_once(folder if folder.is_dir() else _SOURCE_TREE / SHIPPED)


def chosen_score(choice: str, beside: Path) -> ScoreModel | None:
    """The model that a protocol names, None for none; a folder is relative to `beside`.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be used.
    """
    if choice == NONE:
        return None
    return shipped_score() if choice == "shipped" else read_score(beside / choice)


@cache
def _read_once(folder: Path) -> ScoreModel:
    return read_score(folder)


def read_score(folder: Path) -> ScoreModel:
    """A model from its folder.

    Raises
    ------
    ModelError
        A file is missing or damaged, is not the one that the card describes, or is of other features than these.
    """
    text = _bytes(folder / CARD_FILE)
    try:
        card = Card.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{folder / CARD_FILE} is not the card of a model: {_first(error)}; {_REMEDY}") from error
    weights = _bytes(folder / WEIGHTS_FILE)
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != card.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS_FILE} was changed after its card was written; {_REMEDY}")
    try:
        read = _Weights.model_validate_json(weights)
    except ValidationError as error:
        raise ModelError(f"{folder / WEIGHTS_FILE} cannot be read: {_first(error)}; {_REMEDY}") from error
    return ScoreModel(
        card.name,
        card.version,
        sha256,
        read.base,
        _steps(read.features, FEATURES, folder),
        read.threshold,
        read.compact_threshold,
        None if read.groups is None else _group_model(read.groups, folder),
        None if read.look is None else _look(read.look, folder),
        read.look_weight,
    )


def _steps(read: Mapping[str, _Step], names: Iterable[str], folder: Path) -> tuple[Steps, ...]:
    if set(read) != set(names):
        other = min(set(read) ^ set(names))
        raise ModelError(f"the model in {folder} is of another version of the program ('{other}'); train it again")
    return tuple(
        Steps(np.asarray(read[name].cuts, np.float64), np.asarray(read[name].logits, np.int64)) for name in names
    )


def _group_model(read: _Groups, folder: Path) -> GroupModel:
    if set(read.joints) != set(JOINT_FEATURES):
        other = min(set(read.joints) ^ set(JOINT_FEATURES))
        raise ModelError(f"the model in {folder} is of another version of the program ('{other}'); train it again")
    slopes = tuple(read.joints[name] for name in JOINT_FEATURES)
    return GroupModel(read.joint_base, slopes, read.base, _steps(read.features, GROUP_FEATURES, folder))


def _look(read: _Look, folder: Path) -> Look:
    try:
        convolutions = tuple(
            Convolution(
                np.frombuffer(base64.b64decode(layer.weights, validate=True), np.int8).reshape(
                    len(layer.factor), layer.inputs, 3, 3
                ),
                np.array(layer.factor, np.float32),
                np.array(layer.offset, np.float32),
                layer.halved,
            )
            for layer in read.convolutions
        )
        return Look(convolutions, np.array(read.hidden, np.float64), np.array(read.output, np.float64))
    except ValueError as error:
        raise ModelError(
            f"the network in {folder / WEIGHTS_FILE} does not fit together ({error}); {_REMEDY}"
        ) from error


_REMEDY = "install mvd again, or put the model's own files back"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist, so there is no model to score by; {_REMEDY}") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the file and its folder") from error


def _first(error: ValidationError) -> str:
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where + ': ' if where else ''}{fault['msg'].removeprefix('Value error, ')}"
