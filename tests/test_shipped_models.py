"""Everything that comes with the program, learned again from small pictures, each laboratory left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from drawn_looks import a_look, a_patch

from mvd.models import Card, read_score
from mvd.phantom import PhantomSpec
from mvd.training.examples import Examples
from mvd.training.grown import Grown
from mvd.training.laboratories import WHOLE, WITHOUT, by_stock, groups_of, grow_all, learn_all, looks_of, weights
from mvd.training.pictures import COMPOSITES, STAINS, Kind, Source
from mvd.training.shipped import ALL_LEFT_OUT, LEARNED_FILE, LEFT_OUT_FOLDER, NEW, SHIPPED_FOLDER, Sources, make_shipped
from mvd.vessels.choosing import GroupModel
from mvd.vessels.look import Look
from mvd.vessels.score import FEATURES, ScoreModel
from mvd.vessels.steps import Steps
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES


def source(kind: Kind, laboratory: str, seed: int = 1) -> Source:
    """A small simulated section that stands for a picture of a laboratory."""
    spec = PhantomSpec(
        seed=seed, width_um=160, height_um=160, um_per_px=0.5, vessel_density_per_mm2=300, confounders=4.0,
        difficulty="hard", bone_fraction=0, tissue_edge=False,
    )  # fmt: skip
    return Source(f"{laboratory} {seed}", kind, laboratory, 0.5, spec=spec)


def examples_of(number: int, *, vessels: int) -> Examples:
    yes = np.ones(number, bool)
    features = np.zeros((number, len(FEATURES)))
    return Examples(features, np.arange(number) < vessels, yes, ~yes, np.full(number, "s"), np.full(number, ""), ~yes)


def test_vessels_and_other_things_of_each_stock_weigh_the_same_and_simulated_ones_less() -> None:
    parts = [
        (source("real", "colon"), examples_of(10, vessels=8)),
        (source("composite", "colon"), examples_of(5, vessels=1)),
        (source("simulated", "hard"), examples_of(4, vessels=2)),
    ]
    weight = weights(parts)
    of_real = [weight[:8].sum(), weight[8:10].sum(), weight[10:11].sum(), weight[11:15].sum()]
    assert of_real == pytest.approx([of_real[0]] * 4)
    assert [weight[15:17].sum(), weight[17:].sum()] == pytest.approx([0.3 * of_real[0]] * 2)


def test_examples_are_put_together_by_stock() -> None:
    parts = [(source("real", name), examples_of(3, vessels=1)) for name in ("colon", "tumour", "colon")]
    assert {stock: len(part) for stock, part in by_stock(parts).items()} == {"real colon": 6, "real tumour": 3}


LABORATORIES = (*STAINS, "hard")


def no_groups() -> GroupModel:
    flat = Steps(np.zeros(0), np.zeros(1, np.int64))
    return GroupModel(0.0, (0.0,) * len(JOINT_FEATURES), 0, (flat,) * len(GROUP_FEATURES))


def test_groups_and_looks_of_a_place_are_learned_without_its_laboratories(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []

    def spy(trees: list[Grown]) -> GroupModel:
        seen.append({tree.laboratory for tree in trees})
        return no_groups()

    monkeypatch.setattr("mvd.training.laboratories.fit_groups", spy)
    nothing = np.zeros(0)
    monkeypatch.setattr("mvd.training.laboratories.fit_look", spy)
    trees = [
        Grown(f"real {name}", name, *(nothing,) * 4, nothing > 0, nothing.astype(str), nothing, nothing)
        for name in LABORATORIES
    ]
    for learn in (groups_of, partial(looks_of, workers=1)):
        seen.clear()
        assert set(learn(trees)) == {WHOLE, *WITHOUT}
        assert set(LABORATORIES) in seen
        for without in WITHOUT.values():
            assert set(LABORATORIES) - set(without) in seen


def test_a_score_is_tried_on_what_it_did_not_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: dict[str, set[str]] = {}

    def fit(
        examples: Examples, weight: np.ndarray, *, name: str, version: str, groups: GroupModel, look: Look
    ) -> ScoreModel:
        learned[name] = set(examples.group.tolist())
        flat = Steps(np.zeros(0), np.zeros(1, np.int64))
        return ScoreModel(name, version, "", 0, (flat,) * len(FEATURES), 0.5, 0.5, groups, look)

    def find(of: Source, groups: dict[str, tuple[GroupModel, Look]]) -> dict[str, Examples]:
        some = examples_of(2, vessels=1)
        return dict.fromkeys(groups, replace(some, group=np.full(2, of.name)))

    monkeypatch.setattr("mvd.training.laboratories.fit_mixed", fit)
    monkeypatch.setattr("mvd.training.laboratories.examples_of", find)
    monkeypatch.setattr("mvd.training.laboratories._found", lambda *_: {})
    sources = [source("composite", name) for name in LABORATORIES]
    others = {COMPOSITES: [source("given", COMPOSITES)], WHOLE: [source("simulated", "new")]}
    groups = dict.fromkeys((WHOLE, *WITHOUT), no_groups())
    looks = dict.fromkeys(groups, a_look())
    made = learn_all(groups, looks, sources, others=others, name="n", version="1", workers=1)
    assert learned == {
        "n": {"tumour 1", "sarcoma 1", "colon 1", "hard 1"},
        "n without colon": {"tumour 1", "sarcoma 1", "hard 1"},
        "n without tumour": {"sarcoma 1", "colon 1", "hard 1"},
        "n without sarcoma": {"tumour 1", "colon 1", "hard 1"},
        "n without composites": {"sarcoma 1", "hard 1"},
    }
    assert {place: list(one.tried) for place, one in made.items()} == {
        WHOLE: ["simulated new"],
        "colon": ["composite colon"],
        "tumour": ["composite tumour"],
        "sarcoma": ["composite sarcoma"],
        COMPOSITES: ["given composites"],
    }


def trees_of(sources: Sequence[Source], *, workers: int | None) -> tuple[Grown, ...]:
    """Their trees, every fifth joint one between two things: simulated vessels lie too far apart to be joined."""
    trees = grow_all(sources, workers=workers)
    return tuple(
        replace(tree, is_one=np.where(np.arange(len(tree.is_one)) % 5 == 0, 0.0, tree.is_one)) for tree in trees
    )


def random_looks(_trees: Sequence[Grown], *, workers: int | None) -> dict[str, Look]:
    return {place: a_look(seed + (workers or 0)) for seed, place in enumerate((WHOLE, *WITHOUT))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ScoreModel]:
    """All of it, from ten small sections."""
    known = [source("real", name, seed) for seed, name in enumerate(STAINS, start=1)]
    known += [source("composite", name, seed) for seed, name in enumerate(STAINS, start=11)]
    known += [source("simulated", "hard", 21), source("simulated", "typical", 22)]
    given, new = [source("given", COMPOSITES, 31)], [source("simulated", "hard", 32)]
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvd.training.shipped.grow_all", trees_of)
        patch.setattr("mvd.training.shipped.looks_of", random_looks)  # needs no PyTorch
        patch.setattr("mvd.training.groups.LEAST_LEAF", 3)
        patch.setattr("mvd.training.groups.SPLITS", 30)
        patch.setattr("mvd.training.learner.SPLITS", 30)
        model = make_shipped(Sources(tuple(known), tuple(known), tuple(given), tuple(new)), root, workers=1)
    return root, model


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_model_is_made_whole(made: tuple[Path, ScoreModel]) -> None:
    root, model = made
    assert {path.relative_to(root) for path in root.rglob("*") if path.is_file()} == {
        LEARNED_FILE,
        *(SHIPPED_FOLDER / name for name in ("weights.json", "card.json", "README.md", "calibration.png")),
        *(LEFT_OUT_FOLDER / place / name for place in WITHOUT for name in ("weights.json", "card.json")),
    }
    shipped = read_score(root / SHIPPED_FOLDER)
    assert (shipped.sha256, shipped.groups) == (model.sha256, None)
    patch = a_patch(1)
    assert shipped.look is not None and model.look is not None
    assert shipped.look.logits([patch]) == model.look.logits([patch]) == a_look(1).logits([patch])
    left_out = [read_score(root / LEFT_OUT_FOLDER / place) for place in WITHOUT]
    assert all(one.groups is not None for one in left_out)
    assert len({one.sha256 for one in (shipped, *left_out)}) == 1 + len(WITHOUT)


@pytest.mark.slow
def test_cards_say_what_was_learned_from_and_what_was_left_out(made: tuple[Path, ScoreModel]) -> None:
    root, _ = made
    card = Card.model_validate_json((root / SHIPPED_FOLDER / "card.json").read_bytes())
    assert card.data["pictures"] == {
        **{f"{kind} {name}": 1 for kind in ("composite", "real") for name in STAINS},
        "simulated hard": 1,
        "simulated typical": 1,
    }
    tried = card.validation["tried on"]
    assert next(iter(tried)) == ALL_LEFT_OUT
    assert {"real colon, learned without colon", "given composites, learned without colon and tumour", NEW} < set(tried)
    own = sum(one["vessels"] for name, one in tried.items() if name.startswith(("real", "composite")))
    assert tried[ALL_LEFT_OUT]["vessels"] == own > 0
    whole = card.validation["whole pictures"]["real sarcoma, learned without sarcoma"]
    assert 0 < whole["found"] <= whole["vessels"]
    page = (root / SHIPPED_FOLDER / "README.md").read_text(encoding="utf-8")
    assert "two careful non-experts" in page
    assert f"| {ALL_LEFT_OUT} |" in page
    without = Card.model_validate_json((root / LEFT_OUT_FOLDER / "sarcoma" / "card.json").read_bytes())
    assert not any("sarcoma" in stock for stock in without.data["pictures"])
