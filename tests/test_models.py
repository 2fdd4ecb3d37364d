"""Learned models on disk: what was changed, is damaged or is of another version is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvd.errors import ModelError
from mvd.models import CARD_FILE, WEIGHTS_FILE, Card, chosen_score, read_score, shipped_score, weights_text
from mvd.vessels.score import FEATURES, probabilities
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES

REPO = Path(__file__).resolve().parents[1]
SHIPPED = REPO / "models" / "vessel_score"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "model"))


def changed(folder: Path, file: str, change: Callable[[Any], object], *, signed: bool = False) -> None:
    """Change a JSON file of a model; `signed`, the card then describes the new weights."""
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    change(content)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    if signed:
        sha256 = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        changed(folder, CARD_FILE, lambda card: card.update(weights_sha256=sha256))


def test_the_shipped_model_is_what_its_card_says() -> None:
    card = Card.model_validate_json((SHIPPED / CARD_FILE).read_bytes())
    score = shipped_score()
    assert (score.name, score.version, score.threshold) == (card.name, card.version, card.threshold)
    assert score.compact_threshold == card.compact_threshold
    assert score.sha256 == card.weights_sha256 == hashlib.sha256((SHIPPED / WEIGHTS_FILE).read_bytes()).hexdigest()
    assert card.features == FEATURES
    assert score is shipped_score()


def test_the_card_says_what_it_was_made_from_and_how_good_it_is() -> None:
    card = Card.model_validate_json((SHIPPED / CARD_FILE).read_bytes())
    assert card.licence == "BSD-3-Clause"
    assert all((card.task, card.stain, card.learner, card.limits, card.data["source"], card.made_with["mvd"]))
    for name, tried in card.validation["tried on"].items():
        assert tried["vessels"] + tried["others"] == sum(number for _, _, number in tried["curve"]), name
        assert 0 <= tried["brier"] <= 1
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert card.weights_sha256 in text
    assert all(f"| {name} |" in text for name in FEATURES)


def test_models_are_text_and_pictures() -> None:
    files = [path for path in (REPO / "models").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".png"}


def test_a_model_written_and_read_is_the_same(folder: Path) -> None:
    assert weights_text(read_score(folder)) == (folder / WEIGHTS_FILE).read_text(encoding="utf-8")
    rows = np.random.default_rng(1).normal(1, 2, (50, len(FEATURES))).tolist()
    assert probabilities(read_score(folder), rows) == probabilities(shipped_score(), rows)


def test_groups_written_and_read_are_the_same(folder: Path) -> None:
    changed(folder, WEIGHTS_FILE, grouped, signed=True)
    found = read_score(folder).groups
    assert found is not None
    assert (found.joint_base, found.joint_slopes, found.group_base) == (0.5, (0.25,) * len(JOINT_FEATURES), 7)
    again = json.loads(weights_text(read_score(folder)))
    assert again == json.loads((folder / WEIGHTS_FILE).read_text(encoding="utf-8"))


def test_the_shipped_model_leaves_the_groups_to_the_program() -> None:
    assert shipped_score().groups is None


def no_longer(key: str) -> Callable[[Any], object]:
    return lambda content: content.pop(key)


def moved(content: Any) -> None:
    content["features"]["aspect"]["logits"][0] += 1


def falling(content: Any) -> None:
    content["features"]["aspect"] = {"cuts": [2.0, 1.0], "logits": [1, 2, 3]}


def too_short(content: Any) -> None:
    content["features"]["aspect"] = {"cuts": [2.0, 3.0], "logits": [1, 2]}


def renamed(content: Any) -> None:
    content["features"]["shape"] = content["features"].pop("aspect")


def grouped(content: Any) -> None:
    """Give a model groups that know nothing."""
    flat = {"cuts": [], "logits": [0]}
    content["groups"] = {
        "joint_base": 0.5,
        "joints": dict.fromkeys(JOINT_FEATURES, 0.25),
        "base": 7,
        "features": dict.fromkeys(GROUP_FEATURES, flat),
    }


def regrouped(content: Any) -> None:
    grouped(content)
    content["groups"]["joints"]["shade"] = 1.0


def ungrouped(content: Any) -> None:
    grouped(content)
    del content["groups"]["features"]["aspect"]


def unseeing(content: Any) -> None:
    """Weights of the network that do not fit its layers."""
    content["look"]["convolutions"][1]["weights"] = content["look"]["convolutions"][0]["weights"]


def unreadable(content: Any) -> None:
    content["look"]["convolutions"][0]["weights"] = "no base64!"


FAULTS = {
    "a network that does not fit": (WEIGHTS_FILE, unseeing, True, "does not fit together"),
    "a network that is damaged": (WEIGHTS_FILE, unreadable, True, "does not fit together"),
    "a step is another one": (WEIGHTS_FILE, moved, False, "was changed after its card was written"),
    "cuts do not rise": (WEIGHTS_FILE, falling, True, "cuts must rise"),
    "a step is missing": (WEIGHTS_FILE, too_short, True, "2 cuts need one step more, not 2"),
    "of other features": (WEIGHTS_FILE, renamed, True, "of another version of the program ('aspect'); train it again"),
    "no threshold": (WEIGHTS_FILE, no_longer("threshold"), True, "threshold: Field required"),
    "another format": (WEIGHTS_FILE, lambda content: content.update(format=1), True, "format: Input should be 3"),
    "no threshold for cells": (WEIGHTS_FILE, no_longer("compact_threshold"), True, "compact_threshold: Field required"),
    "groups of other joints": (WEIGHTS_FILE, regrouped, True, "of another version of the program ('shade'); train it"),
    "groups without a feature": (WEIGHTS_FILE, ungrouped, True, "of another version of the program ('aspect'); train"),
    "threshold of 1": (WEIGHTS_FILE, lambda content: content.update(threshold=1.0), True, "less than 1"),
    "a card without its name": (CARD_FILE, no_longer("name"), False, "is not the card of a model: name"),
    "a card with more": (CARD_FILE, lambda card: card.update(accuracy=1), False, "accuracy: Extra inputs"),
}


@pytest.mark.parametrize(("file", "change", "signed", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_model_that_is_not_whole_is_refused_in_one_sentence(
    folder: Path, file: str, change: Callable[[Any], object], signed: bool, expected: str
) -> None:
    changed(folder, file, change, signed=signed)
    with pytest.raises(ModelError) as refused:
        read_score(folder)
    assert expected in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("file", [CARD_FILE, WEIGHTS_FILE])
@pytest.mark.parametrize("content", [None, b"", b"\x80\x04\x95 a pickle", b"[1, 2]"])
def test_files_that_are_no_model_are_refused(folder: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=file):
        read_score(folder)


def test_a_protocol_chooses_the_shipped_model_none_or_its_own(folder: Path) -> None:
    changed(folder, WEIGHTS_FILE, moved, signed=True)
    own = chosen_score(folder.name, folder.parent)
    assert own is not None
    assert own.sha256 != shipped_score().sha256
    assert chosen_score("shipped", folder.parent) is shipped_score()
    assert chosen_score("none", folder.parent) is None
    with pytest.raises(ModelError, match="no model to score by"):
        chosen_score("models/another", folder.parent)


@pytest.mark.slow
def test_an_installed_program_finds_its_model(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=REPO, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r}); import mvd.models; "
        "print(mvd.models.__file__, mvd.models.shipped_score().sha256)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    file, sha256 = done.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert sha256 == shipped_score().sha256
