"""Learning how a vessel looks: what is shown how often, and that bytes say what was learned."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from mvd.errors import TrainingError
from mvd.training import looks
from mvd.training.grown import NOTHING, OTHER, PART, VESSEL, Grown
from mvd.vessels.patches import CHANNELS, PATCH_PX, Patched
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES


def seen(stock: str, what: list[str], *, seed: int = 1) -> Grown:
    """Vessels are bright rings, other things bright discs."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((PATCH_PX, PATCH_PX)) - (PATCH_PX - 1) / 2
    patches = np.zeros((len(what), len(CHANNELS), PATCH_PX, PATCH_PX), np.uint8)
    for number, kind in enumerate(what):
        away = np.hypot(y, x)
        radius = rng.uniform(8, 14)
        shape = (away < radius) & ((away > radius - 3) | (kind != VESSEL))
        patches[number] = np.where(shape, rng.integers(150, 250), rng.integers(0, 60))
    count, is_vessel = len(what), np.array([float(kind == VESSEL) for kind in what])
    return Grown(
        stock, stock, np.zeros((0, len(JOINT_FEATURES))), np.zeros(0), np.zeros((count, len(GROUP_FEATURES))),
        is_vessel, np.ones(count, bool), np.array(what), patches, np.zeros(count),
    )  # fmt: skip


def test_kinds_have_their_share_and_small_stocks_more_than_their_part() -> None:
    large = seen("a", [VESSEL] * 4 + [OTHER] * 2 + [NOTHING] * 2 + [PART] * 2 + [""] * 3)
    small = seen("b", [VESSEL])
    chance = looks._chances([large, small])
    assert chance.sum() == pytest.approx(1)
    assert chance[4:6].sum() == pytest.approx(0.35)
    assert chance[10:13].sum() == 0
    assert chance[13] == pytest.approx(0.4 / 3)  # by the root of 1 to 4
    assert chance[:4].tolist() == pytest.approx([0.1 * 2 / 3] * 4)


def test_one_kind_alone_is_not_learned_from() -> None:
    for trees in ([], [seen("a", [VESSEL, VESSEL, PART])]):
        with pytest.raises(TrainingError, match="all of one kind"):
            looks.fit_look(trees)


def test_where_pytorch_is_missing_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(TrainingError, match=r"mvd\[model\]"):
        looks.fit_look([seen("a", [VESSEL, OTHER])])


@pytest.mark.slow
def test_what_is_kept_in_bytes_tells_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    kept = {}
    plain = looks._in_bytes

    def spy(torch_, network, pixels):
        kept["network"] = network
        return plain(torch_, network, pixels)

    monkeypatch.setattr(looks, "_in_bytes", spy)
    look = looks.fit_look([seen("a", [VESSEL, OTHER] * 60), seen("b", [VESSEL, OTHER] * 20, seed=2)], steps=60)
    tried = seen("c", [VESSEL, OTHER] * 20, seed=3)
    said = np.array(look.logits([Patched(pixels, 0.0, (0, 0, 1, 1)) for pixels in tried.patches]))
    assert (said[::2].min() - said[1::2].max()) > 0.5
    pixels = torch.from_numpy(tried.patches).float() / 255
    with torch.no_grad():
        turned = [pixels.flip(axes) if axes else pixels for axes in ((), (2,), (3,), (2, 3))]
        float_ = sum(kept["network"](one, torch.zeros(len(pixels)))[:, 0] for one in turned) / 4
    assert np.abs(said - float_.numpy()).max() < 0.1 * np.ptp(said)
