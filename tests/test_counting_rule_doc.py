"""docs/counting-rule.md says what the program does."""

import importlib.util
import re
import sys
from itertools import takewhile
from pathlib import Path
from types import ModuleType

import pytest

from mvd.protocol import CountingRule, Protocol
from mvd.rules import rule_choices, rule_names
from mvd.vessels import Reason, joining, judge, lumens, maps, score

REPO = Path(__file__).resolve().parents[1]
PAGE = REPO / "docs" / "counting-rule.md"
PICTURES = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", REPO / "benchmarks" / "counting_rule_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up there
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pictures", module)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_named(page: str, reason: Reason) -> None:
    assert f"`{reason.value}`" in page


@pytest.mark.parametrize("key", CountingRule.model_fields)
def test_every_key_of_the_rule_is_named(page: str, key: str) -> None:
    assert f"`{key}`" in page


@pytest.mark.parametrize("key", ["join_gap_um", "min_area_um2", "max_lumen_width_um", "bone_edge_um"])
def test_limits_with_a_key_are_the_defaults(page: str, key: str) -> None:
    assert f"`{key}` = {getattr(CountingRule(), key):g} µm" in page


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(f"below {judge._RED_SHARES[0]:g} of what is typical", id="golden"),
        pytest.param(f"above {judge._RED_SHARES[1]:g} of the typical", id="black"),
        pytest.param(f"red density above {judge._BLACK_RED_OD:g}", id="black density"),
        pytest.param(f"less than {judge._HAZE_SLOPE_PER_UM:.2f} of the peak per µm", id="haze"),
        pytest.param(f"{maps._NOISE_SIGMAS[2]:g} times the noise", id="noise"),
        pytest.param(f"at least {maps._LEAST_OD[2]:g} OD", id="least density"),
        pytest.param(f"no more than {maps._MOST_OD[2]:g} OD", id="most density"),
        pytest.param(f"From {judge._SURE_RED_SHARES[0]:g} on that is a suspicion", id="sure golden"),
        pytest.param(f"Up to {judge._SURE_RED_SHARES[1]:g} that is a suspicion", id="sure black"),
        pytest.param(f"shorter than {score.COMPACT_UM:g} µm", id="compact"),
        pytest.param("{:g} to {:g} µm across".format(*judge._CELL_DIAMETER_UM), id="cell"),
        pytest.param("rim of {:g} to {:g} µm".format(*judge._RIM_DIAMETER_UM), id="rim"),
        pytest.param(f"shorter over longer side at least {judge._CELL_ASPECT:g}", id="round"),
        pytest.param(f"{judge._MEGAKARYOCYTE_DIAMETER_UM:g} µm or more across", id="megakaryocyte"),
        pytest.param(f"Gaps up to {joining._TOUCHING_UM:g} µm may close", id="touching"),
        pytest.param(f"a µm counts as {joining._PALE_COST:g} µm", id="pale"),
        pytest.param(f"A pale space of {lumens._LUMEN_LEVELS[0][2]:g} µm²", id="lumen"),
    ],
)
def test_fixed_limits_are_those_of_the_program(page: str, words: str) -> None:
    assert words in page


def _rules_table(page: str) -> dict[str, dict[str, str]]:
    """The table of choices: key -> rule -> cell."""
    lines = iter(page.split("## The other rules")[1].splitlines())
    head = next(line for line in lines if line.startswith("| |"))
    names = [cell.strip(" `") for cell in head.split("|")[2:-1]]
    next(lines)
    table = {}
    for line in takewhile(bool, lines):
        key, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        table[key.split("`")[1]] = dict(zip(names, cells, strict=True))
    return table


def _in_words(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float() | int():
            return f"{value:g}"
        case tuple():
            return ", ".join(one.name for one in value) or "none"
    return str(value)


@pytest.mark.parametrize("name", rule_names())
def test_the_table_of_rules_says_what_the_files_state(page: str, name: str) -> None:
    protocol, stated = Protocol.of_rule(name), rule_choices(name)
    expected = dict.fromkeys(("placement", "number", "side_um", "border", "measure"), "–")
    for section, choices in stated.items():
        expected |= {key: _in_words(getattr(getattr(protocol, section), key)) for key in choices if key != "name"}
    assert {key: cells[name] for key, cells in _rules_table(page).items()} == expected


def test_the_limits_of_the_size_classes_are_those_of_the_file(page: str) -> None:
    arteriole, sinusoid, _ = Protocol.of_rule("sized").rule.size_classes
    limits = f"lumen at least {arteriole.min_lumen_width_um:g} µm wide and wall at least {arteriole.min_wall_um:g} µm"
    assert f"`arteriole`, {limits}; `sinusoid`, lumen at least {sinusoid.min_lumen_width_um:g} µm wide" in page


def test_every_picture_exists_and_every_file_is_shown(page: str) -> None:
    shown = {PAGE.parent / path for _, path in PICTURES.findall(page)}
    assert shown == set((PAGE.parent / "counting-rule").iterdir())
    assert sum(path.stat().st_size for path in shown) < 400_000


def test_every_item_has_its_picture(page: str, script: ModuleType) -> None:
    shown = {Path(path).stem for _, path in PICTURES.findall(page)}
    assert shown == {item.name for item in script.ITEMS} | {"border"}


@pytest.mark.slow
def test_the_verdicts_shown_are_the_programs_own(page: str, script: ModuleType) -> None:
    texts = {Path(path).stem: text for text, path in PICTURES.findall(page)}
    assert {name: texts[name] for name in script.verdicts()} == script.verdicts()
