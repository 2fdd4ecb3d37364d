"""Learning which groups of stain are whole vessels: labels of joints and groups, and the model made of them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from mvd.errors import TrainingError
from mvd.geometry import Calibration
from mvd.phantom import PhantomSpec
from mvd.slide.model import Facts, Level, Slide
from mvd.training.examples import Known
from mvd.training.groups import fit_groups, learned_text
from mvd.training.grown import NOTHING, OTHER, PART, VESSEL, Grown, agreements, grown, is_one_thing, looks
from mvd.training.pictures import Opened, Source
from mvd.vessels.choosing import GroupModel
from mvd.vessels.steps import STEP_UNIT, summed
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES, Joint, Link, Tree

TOGETHER = Link(1.0, 1.0)


def tree(*parts: tuple[int, int], size: int = 3) -> Tree:
    """Basins 1 to `size`, and a joint of each two groups."""
    joints = [Joint(size + k, pair, 0.5, TOGETHER, 1.0) for k, pair in enumerate(parts, start=1)]
    return Tree(size, {}, joints)


JOINTS = {
    "two basins of one vessel": ([5, 5, 9], [1, 1, 1], [1.0]),
    "two basins of two vessels": ([5, 6, 9], [1, 1, 1], [0.0]),
    "one of nothing": ([5, -1, 9], [1, 1, 1], [np.nan]),
    "one of several": ([5, -2, 9], [1, 1, 1], [np.nan]),
}


@pytest.mark.parametrize(("things", "stain", "expected"), JOINTS.values(), ids=JOINTS)
def test_a_joint_is_within_one_thing_or_not(things: list[int], stain: list[float], expected: list[float]) -> None:
    found = is_one_thing(tree((1, 2)), np.array([-1, *things]), np.array([0.0, *stain]))
    assert found.tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("amount", "expected"), [(1.0, 1.0), (0.7, 1.0), (0.5, np.nan)])
def test_a_group_is_of_what_most_of_its_stain_is_of(amount: float, expected: float) -> None:
    """Basins 1 and 2 of two vessels are joined, then with 3, of the first one's."""
    stain = np.array([0.0, amount, 1 - amount + 1e-9, 1.0])
    found = is_one_thing(tree((1, 2), (4, 3)), np.array([-1, 5, 6, 5]), stain)
    assert found.tolist() == pytest.approx([0.0, expected], nan_ok=True)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


class _Nothing:
    facts = Facts("memory", (Level(10, 10, 1.0, 1.0),), None, 8, 3, "an array")


def picture(*known: Known) -> Opened:
    slide = Slide(Path("x.png"), _Nothing(), Calibration(0.5, 0.5, "user", "test"))  # type: ignore[arg-type]
    return Opened(slide, known, None)


A_VESSEL = Known(box(0, 0, 10, 10), "vessel", counts=True, is_stained_vessel=True)
CELL = Known(box(0, 0, 10, 10), "cell", counts=False, is_stained_vessel=False)
DOUBTFUL = Known(box(0, 0, 10, 10), "ambiguous", counts=False, is_stained_vessel=True)
AGREEMENTS = {
    "a whole vessel": ((0, 0, 10, 10), [A_VESSEL], 1.0, True),
    "half of one": ((0, 0, 10, 5), [A_VESSEL], 0.5, True),
    "two in one": ((0, 0, 20, 10), [A_VESSEL], 0.5, True),
    "a whole brown cell": ((0, 0, 10, 10), [CELL], 1.0, True),
    "nothing": ((50, 50, 60, 60), [A_VESSEL], 0.0, True),
    "something doubtful": ((0, 0, 10, 10), [DOUBTFUL], 0.0, False),
    "something that leaves a doubtful thing": ((6, 0, 20, 10), [DOUBTFUL], 0.0, False),
    "a speck within something doubtful": ((4, 4, 5, 5), [DOUBTFUL], 0.0, False),
    "a vessel beside something doubtful": ((0, 0, 10, 10), [A_VESSEL, DOUBTFUL], 1.0, True),
}


@pytest.mark.parametrize(("group", "known", "expected", "told"), AGREEMENTS.values(), ids=AGREEMENTS)
def test_a_group_agrees_with_what_it_covers(
    group: tuple[float, ...], known: list[Known], expected: float, told: bool
) -> None:
    best, is_told = agreements(np.array([group], float), picture(*known))
    assert (best.tolist(), is_told.tolist()) == (pytest.approx([expected]), [told])


A_CELL_BESIDE = Known(box(4, 0, 12, 10), "cell", counts=False, is_stained_vessel=False)
LIKENESSES = {
    "a whole vessel": ((0, 0, 10, 10), [A_VESSEL], VESSEL),
    "a brown cell": ((0, 0, 10, 9), [CELL], OTHER),
    "a vessel beside a cell": ((0, 0, 10, 10), [A_VESSEL, A_CELL_BESIDE], VESSEL),
    "a third of a vessel": ((0, 0, 10, 3), [A_VESSEL], PART),
    "far from everything": ((50, 50, 60, 60), [A_VESSEL, CELL], NOTHING),
    "something doubtful": ((0, 0, 10, 10), [DOUBTFUL], ""),
}


@pytest.mark.parametrize(("group", "known", "expected"), LIKENESSES.values(), ids=LIKENESSES)
def test_a_group_looks_like_what_its_box_agrees_with(
    group: tuple[float, ...], known: list[Known], expected: str
) -> None:
    boxes = np.array([group, (200, 200, 210, 210)], float)
    assert looks(boxes, known, np.array([True, False])).tolist() == [expected, ""]


SMALL = PhantomSpec(
    seed=5, width_um=150, height_um=150, um_per_px=0.5, vessel_density_per_mm2=300, bone_fraction=0, tissue_edge=False
)


@pytest.mark.slow
def test_a_section_grows_a_tree_whose_groups_hold_its_vessels() -> None:
    found = grown(Source("s", "simulated", "typical", 0.5, spec=SMALL))
    assert found is not None
    assert found.stock == "simulated typical"
    assert found.joints.shape == (len(found.is_one), len(JOINT_FEATURES))
    assert (
        found.groups.shape == (len(found.agreement), len(GROUP_FEATURES)) == (len(found.is_told), len(GROUP_FEATURES))
    )
    assert (found.agreement > 0.7).sum() >= 3
    assert (found.looks_like == VESSEL).sum() >= 3
    assert len(found.patches) == len(found.shrunk) == len(found.looks_like) == len(found.agreement)
    again = grown(Source("s", "simulated", "typical", 0.5, spec=SMALL))
    assert again is not None
    assert np.array_equal(again.groups, found.groups)


@pytest.mark.slow
def test_a_picture_that_is_refused_grows_nothing(tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    path = tmp_path / "glass.png"
    Image.fromarray(np.full((400, 400, 3), 245, np.uint8)).save(path)
    assert grown(Source("glass", "real", "nobody", 0.5, path)) is None


SLOPES = (2.0, 0.0, -1.0, 0.5)


def drawn(stock: str, *, seed: int = 1, joints: int = 3000, wrong: bool = False) -> Grown:
    """Joints whose logit is linear, and groups that agree where their first feature is above 1."""
    rng = np.random.default_rng(seed)
    of_joints = rng.normal(0, 1, (joints, len(JOINT_FEATURES)))
    is_one = (rng.random(joints) < expit(of_joints @ SLOPES)).astype(float)
    of_groups = rng.uniform(0, 2, (600, len(GROUP_FEATURES)))
    agreement = 0.2 + 0.5 * (of_groups[:, 0] > 1)
    if wrong:
        is_one, agreement = 1 - is_one, 1 - agreement
    is_one[::10] = np.nan
    return Grown(
        stock, stock.rsplit(maxsplit=1)[-1], of_joints, is_one, of_groups, agreement, np.ones(600, bool),
        np.full(600, PART), np.zeros((600, 0), np.uint8), np.zeros(600),
    )  # fmt: skip


def agreement_of(model: GroupModel, first: float) -> float:
    table = np.full((1, len(GROUP_FEATURES)), 1.0)
    table[0, 0] = first
    return float(summed(model.group_base, model.group_steps, table)[0] * STEP_UNIT)


def test_joints_and_groups_are_learned_as_they_were_drawn() -> None:
    model = fit_groups([drawn("a", joints=20_000)])
    assert model.joint_slopes == pytest.approx(SLOPES, abs=0.1)
    assert agreement_of(model, 0.5) == pytest.approx(0.2, abs=0.05)
    assert agreement_of(model, 1.5) == pytest.approx(0.7, abs=0.05)


def test_joints_within_vessels_and_between_weigh_the_same() -> None:
    one = drawn("a")
    keep = np.flatnonzero((one.is_one == 1) | (np.arange(len(one.is_one)) % 5 == 0))
    few = replace(one, joints=one.joints[keep], is_one=one.is_one[keep])
    assert fit_groups([few]).joint_base == pytest.approx(fit_groups([one]).joint_base, abs=0.2)


def test_what_is_no_example_has_no_say() -> None:
    good, bad = drawn("a"), drawn("a", seed=2, wrong=True)
    silent = replace(bad, joints=bad.joints[:0], is_one=bad.is_one[:0], is_told=np.zeros(600, bool))
    model = fit_groups([good, silent])
    assert agreement_of(model, 1.5) - agreement_of(model, 0.5) > 0.4


def test_a_stock_of_many_pictures_weighs_no_more_than_one_of_few() -> None:
    wrong = [drawn("many", seed=seed, wrong=True) for seed in range(2, 8)]
    model = fit_groups([drawn("few"), *wrong])
    assert abs(agreement_of(model, 1.5) - agreement_of(model, 0.5)) < 0.15


def test_numbers_are_the_same_each_time_and_short() -> None:
    one, other = fit_groups([drawn("a")]), fit_groups([drawn("a")])
    assert learned_text(one) == learned_text(other)
    assert one.joint_slopes == tuple(round(slope, 4) for slope in one.joint_slopes)
    assert all(cut == round(cut, 3) for step in one.group_steps for cut in step.cuts.tolist())


@pytest.mark.parametrize("fault", ["nothing", "joints of one kind"])
def test_what_cannot_be_learned_from_is_refused(fault: str) -> None:
    one = drawn("a")
    one.is_one[:] = 1.0
    with pytest.raises(TrainingError, match="groups are learned from"):
        fit_groups([one] if fault != "nothing" else [])


def test_the_module_of_numbers_gives_the_model_back_and_is_in_the_house_style(tmp_path: Path) -> None:
    model, path = fit_groups([drawn("a")]), tmp_path / "learned.py"
    path.write_text(learned_text(model), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("learned_again", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert learned_text(module.SHIPPED) == path.read_text(encoding="utf-8")
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120


@pytest.mark.slow
def test_the_module_of_numbers_is_formatted(tmp_path: Path) -> None:
    ruff = importlib.util.find_spec("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    path = tmp_path / "learned.py"
    path.write_text(learned_text(fit_groups([drawn("a")])), encoding="utf-8")
    config = Path(__file__).resolve().parents[1] / "pyproject.toml"
    command = [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", "--config", str(config), str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
