"""Pictures to learn from: what is known of them, and composites made by a script beside the folder."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mvd.errors import TrainingError
from mvd.training.pictures import (
    RECIPES,
    STAINS,
    Recipe,
    arguments,
    given_composites,
    opened,
    own_composites,
    real_pictures,
    simulated,
)
from mvd.training.shipped import new_specs

SCRIPT = """
import json, sys
import numpy as np
from PIL import Image
seed, out, *more = sys.argv[1:]
with open(__file__ + ".log", "a") as log:
    print(seed, *more, file=log)
if "{fail}":
    sys.exit("no such background")
Image.fromarray(np.full((40, 40, 3), 200, np.uint8)).save(out + ".png")
mask = np.zeros((40, 40), np.uint16)
mask[5:9, 5:9], mask[20:24, 20:24] = 1, 1001
Image.fromarray(mask).save(out + ".mask.png")
box = {{"x0": 2.5, "y0": 2.5, "x1": 4.5, "y1": 4.5}}
vessels = [box | {{"count": True, "kind": "vessel"}}, box | {{"count": False, "kind": "large"}}]
known = {{"um_per_px": 0.5, "vessels": vessels, "decoys": [box | {{"kind": "cell"}}]}}
json.dump(known, open(out + ".json", "w"))
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder laid out as that of the real images, and a script beside it that pastes nothing."""
    folder = tmp_path / "data"
    (folder / "real").mkdir(parents=True)
    (folder / "composites").mkdir()
    (tmp_path / "tools").mkdir()
    write_script(folder)
    lines = [f"{name}.png,{k},{kind},10,20,30,40" for name in STAINS for k, kind in enumerate(("vessel", "ambiguous"))]
    (folder / "real" / "vessels.csv").write_text("\n".join(["image,id,kind,x0,y0,x1,y1", *lines]), encoding="utf-8")
    for name in STAINS:
        Image.fromarray(np.full((60, 60, 3), 200, np.uint8)).save(folder / "real" / f"{name}.png")
    return folder


def write_script(folder: Path, fail: str = "") -> Path:
    script = folder.parent / "tools" / "composite.py"
    script.write_text(SCRIPT.format(fail=fail), encoding="utf-8")
    return script


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.training.pictures.RECIPES", (Recipe(2, 500, 0, (4.0,), (100, 260), (20, 200)),))


def test_readers_boxes_become_um_and_doubtful_ones_do_not_count(shared: Path) -> None:
    (sarcoma,) = (one for one in real_pictures(shared) if one.name == "sarcoma")
    vessel, doubtful = sarcoma.known
    assert (vessel.bounds.x0_um, vessel.bounds.y1_um) == pytest.approx((7.0, 28.0))
    assert (vessel.counts, doubtful.counts, doubtful.is_stained_vessel) == (True, False, True)
    assert (sarcoma.stock, sarcoma.um_per_px) == ("real sarcoma", 0.7)


def test_without_the_real_pictures_the_error_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not exist; name the folder of real images with REAL="):
        real_pictures(tmp_path)


@pytest.mark.slow
def test_composites_are_made_once_with_what_is_known_of_them(shared: Path, few: None, tmp_path: Path) -> None:
    made = own_composites(shared, tmp_path / "kept", workers=2)
    assert [one.stock for one in made] == [f"composite {name}" for name in STAINS for _ in range(2)]
    assert sorted(path.name for path in (tmp_path / "kept").glob("*.json")) == sorted(
        f"{name}_{500 + 1000 * place + number}.json" for place, name in enumerate(STAINS) for number in range(2)
    )
    with opened(made[0]) as picture:
        assert picture.objects is not None
        assert sorted(np.unique(picture.objects).tolist()) == [0, 1, 1001]
        assert [(one.counts, one.is_stained_vessel) for one in picture.known] == [
            (True, True),
            (False, True),
            (False, False),
        ]
    log = shared.parent / "tools" / "composite.py.log"
    before = log.read_text(encoding="utf-8")
    own_composites(shared, tmp_path / "kept")
    assert log.read_text(encoding="utf-8") == before


def test_a_script_that_fails_is_told_and_leaves_nothing(shared: Path, few: None, tmp_path: Path) -> None:
    write_script(shared, fail="yes")
    with pytest.raises(TrainingError, match=r"composite.py could not make tumour_500.json: no such background"):
        own_composites(shared, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_is_half_made_is_made_again(shared: Path, few: None, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "tumour_500.png").write_bytes(b"half")
    made = own_composites(shared, kept)
    assert made[0].path is not None
    assert cv2.imread(str(made[0].path)) is not None


def test_composites_are_of_one_laboratory_and_differ_in_look() -> None:
    told = [arguments("colon", RECIPES[0], number, 2) for number in range(12)]
    assert told == [arguments("colon", RECIPES[0], number, 2) for number in range(12)]
    assert all(one[one.index("--sources") + 1] == "colon" for one in told)
    assert len({one[one.index("--strength") + 1] for one in told}) > 6
    assert [one[one.index("--decoy-density") + 1] == "0,0" for one in told] == [True, False, False] * 4


def test_the_composites_of_the_folder_are_of_no_laboratory_that_is_learned_from(shared: Path) -> None:
    box = {"x0": 1, "y0": 2, "x1": 3, "y1": 4}
    about = {"um_per_px": 0.5, "vessels": [{**box, "count": True, "kind": "vessel"}], "decoys": []}
    (shared / "composites" / "01.json").write_text(json.dumps(about), encoding="utf-8")
    (given,) = given_composites(shared)
    assert (given.stock, given.mask) == ("given composites", None)
    assert given.laboratory not in STAINS


@pytest.mark.slow
def test_a_simulated_section_is_painted_with_what_is_in_it() -> None:
    (section,) = simulated(new_specs(2000, 1))
    with opened(section) as picture:
        assert picture.objects is not None
        assert picture.objects.max() == len(picture.known)
        thing = next(number for number, one in enumerate(picture.known, start=1) if one.counts)
        rows, columns = np.nonzero(picture.objects == thing)
        box = picture.known[thing - 1].bounds
    ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    found = [end * section.um_per_px for end in ends]
    assert found == pytest.approx([box.x0_um, box.y0_um, box.x1_um, box.y1_um], abs=2 * section.um_per_px)
