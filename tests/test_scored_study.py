"""A study's learned score: which one it was is in every result, and another one makes the result anew."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_study import PROTOCOL, ROWS, write_protocol, write_study

from mvd.errors import ModelError
from mvd.geometry import Calibration
from mvd.models import CARD_FILE, WEIGHTS_FILE, shipped_score
from mvd.protocol import Protocol
from mvd.store import VesselRow, read_result, read_table, read_vessels
from mvd.study import check_study, run_study
from mvd.vessels import Reason

REPO = Path(__file__).resolve().parents[1]


def protocol(model: str) -> Protocol:
    counts = PROTOCOL.counts.model_copy(update={"hotspot_density": False})
    return PROTOCOL.model_copy(update={"score": PROTOCOL.score.model_copy(update={"model": model}), "counts": counts})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One specimen, scored by a model of the study's own."""
    folder = write_study(tmp_path / "study", ROWS[0])
    shutil.copytree(REPO / "models" / "vessel_score", folder / "models" / "own")
    write_protocol(folder, protocol("models/own"))
    return folder


def stored(study: Path) -> dict[str, Any]:
    result = read_result(study / "results", "p1_pre")
    assert result is not None
    return result


def sign(model: Path, weights: dict[str, Any]) -> None:
    """Give a model other weights, and the card that belongs to them."""
    (model / WEIGHTS_FILE).write_text(json.dumps(weights), encoding="utf-8")
    card = json.loads((model / CARD_FILE).read_text(encoding="utf-8"))
    card["weights_sha256"] = hashlib.sha256((model / WEIGHTS_FILE).read_bytes()).hexdigest()
    (model / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")


@pytest.mark.slow
def test_a_result_names_its_model_and_another_model_makes_it_anew(study: Path) -> None:
    run_study(study)
    first, weights = stored(study), json.loads((study / "models" / "own" / WEIGHTS_FILE).read_text(encoding="utf-8"))
    shipped = shipped_score()
    assert first["score"] == {
        "model": shipped.name,
        "version": shipped.version,
        "weights_sha256": shipped.sha256,
        "threshold": shipped.threshold,
    }
    rows = read_table(VesselRow, study / "results" / "vessels.csv")
    assert rows
    assert all(row.score is not None and 0 <= row.score <= 1 for row in rows)
    calibration = Calibration(
        *(first["calibration"][key] for key in ("um_per_px_x", "um_per_px_y", "source", "detail"))
    )
    text = (study / "results" / "p1_pre.geojson").read_text(encoding="utf-8")
    vessels = read_vessels(text, calibration)
    assert [v.score for v in vessels] == pytest.approx([row.score for row in rows], rel=1e-5)
    assert first["vessels"]["accepted"] > 0

    made = (study / "results" / "p1_pre.json").stat().st_mtime_ns
    run_study(study)
    assert (study / "results" / "p1_pre.json").stat().st_mtime_ns == made

    sign(study / "models" / "own", weights | {"base": -1_000_000_000})
    run_study(study)
    second = stored(study)
    assert second["score"]["weights_sha256"] != shipped.sha256
    assert second["vessels"]["accepted"] == 0
    before, after = (result["vessels"]["rejected"] for result in (first, second))
    assert sum(after.values()) - sum(before.values()) == first["vessels"]["accepted"]
    assert after[Reason.UNLIKE_VESSEL.value] > before.get(Reason.UNLIKE_VESSEL.value, 0)
    assert second["vessels"]["found"] == first["vessels"]["found"]


@pytest.mark.slow
def test_without_a_score_the_rule_stands_alone(study: Path) -> None:
    write_protocol(study, protocol("none"))
    run_study(study)
    assert stored(study)["score"] is None
    assert all(row.score is None for row in read_table(VesselRow, study / "results" / "vessels.csv") or ())


def test_a_model_that_is_not_there_is_told_before_anything_is_measured(study: Path) -> None:
    shutil.rmtree(study / "models")
    (fault,) = check_study(study)
    assert "no model to score by" in fault
    with pytest.raises(ModelError, match="no model to score by"):
        run_study(study)
    assert not (study / "results").exists()


@pytest.mark.parametrize(("model", "same"), [("shipped", True), ("none", False), ("models/own", False)])
def test_the_choice_of_a_score_is_in_the_protocols_digest(model: str, same: bool) -> None:
    assert (protocol(model).digest == protocol("shipped").digest) == same
    assert Protocol.from_toml(protocol(model).to_toml()) == protocol(model)
