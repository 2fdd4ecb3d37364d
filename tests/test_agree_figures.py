"""Figures and tables of agreement: every two readers, the same bytes each time, and names that are only names."""

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mvd.agree import Gathered, read_counts, write_agreement
from mvd.agree.figures import FIGURE_FILES, figures
from mvd.agreement import FieldRead, Reader, agreement_of

pytestmark = pytest.mark.slow

NAMES = ("=cmd|' /C calc'!A0", "@SUM(A1)", "-anna", "+anna", '<script>alert("x")</script>', "$x$_^", 'a"b', "雪")


def named(name: str) -> list[FieldRead]:
    """Two readers and four specimens, with the name in each."""
    return [
        FieldRead(reader, f"{name}{number}", "1", number + shift * (number % 2), 0.0625)
        for shift, reader in enumerate((Reader("bert", "first"), Reader(name, "first")))
        for number in range(4)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name_in_tables(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.agree.written.figures", lambda _: iter(()))
    reads = tuple(named(name))
    paths = write_agreement(tmp_path, agreement_of(reads), Gathered(reads, frozenset(), ()), source="a test")
    tables = [path.read_text(encoding="utf-8") for path in paths if path.suffix == ".csv"]
    cells = [cell for text in tables for row in csv.reader(text.splitlines()) for cell in row]
    assert len(tables) == 2
    assert not [cell for cell in cells if re.match(r"[=@+]|-(?![\d.]+$)", cell)]
    assert read_counts(tmp_path / "agreement_counts.csv").reads == reads


def test_a_name_is_only_a_name_in_figures() -> None:
    name = "$_^$-->" + NAMES[4] + "雪"
    drawn = [data.decode() for path, data in figures(agreement_of(named(name))) if path.endswith(".svg")]
    assert len(drawn) == 6
    for text in drawn:
        assert "<script" not in text
        ElementTree.fromstring(text)


def example() -> list[FieldRead]:
    return [
        FieldRead(
            Reader(name, "first"), f"s{n}", str(f), max(0, (7 * n + 3 * f) % 11 + shift * ((n + f) % 3 - 1)), 0.0625
        )
        for shift, name in enumerate(("anna", "bert", "clara"))
        for n in range(6)
        for f in range(3)
    ]


@pytest.mark.slow
def test_figures_are_drawn_for_every_two_readers_and_the_same_each_time() -> None:
    agreement = agreement_of(example())
    first, second = dict(figures(agreement)), dict(figures(agreement))
    assert first == second
    kinds = [
        f"agreement_{what}_{level}s" for level in ("field", "specimen") for what in ("counts", "differences", "ratios")
    ]
    assert list(first) == [f"{name}.{ending}" for name in kinds for ending in ("svg", "png")]
    for name, data in first.items():
        if name.endswith(".svg"):
            text = data.decode()
            assert all(f"<!-- {pair.title} -->" in text for pair in agreement.pairs if len(pair.readers) == 2)
            assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>|"http://purl[^"]*"', "", text)
            assert "<dc:date>" not in text
        else:
            assert data.startswith(b"\x89PNG")


def test_figures_of_an_earlier_comparison_go(tmp_path: Path) -> None:
    def compared(*rows: tuple[int, int]) -> set[str]:
        reads = tuple(
            FieldRead(reader, f"s{number}", "1", row[side], None)
            for side, reader in enumerate((Reader("anna", "first"), Reader("bert", "first")))
            for number, row in enumerate(rows)
        )
        write_agreement(tmp_path, agreement_of(reads), Gathered(reads, frozenset(), ()), source="a test")
        return {path.name for path in tmp_path.iterdir()}

    (tmp_path / "paired.html").touch()
    with_ratios, without = compared((3, 4), (5, 6)), compared((0, 4))
    assert with_ratios - without == {name for name in FIGURE_FILES if "ratios" in name}
    assert "paired.html" in without


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([(0, 0), (0, 0)], {"counts", "differences"}, id="nothing but zeros"),
        pytest.param([(5, 5), (5, 5)], {"counts", "differences", "ratios"}, id="all equal"),
        pytest.param([(5, 7)], {"counts", "differences", "ratios"}, id="one field"),
        pytest.param([(0, 3), (4, 0)], {"counts", "differences"}, id="no ratio"),
        pytest.param([(1, 900), (4, 4), (90, 2)], {"counts", "differences", "ratios"}, id="far apart"),
        pytest.param([], set(), id="nothing"),
    ],
)
def test_figures_stand_what_counts_can_be(rows: list[tuple[int, int]], expected: set[str]) -> None:
    reads = [
        FieldRead(reader, f"s{number}", "1", row[side], None)
        for side, reader in enumerate((Reader("anna", "first"), Reader("bert", "first")))
        for number, row in enumerate(rows)
    ]
    names = [name for name, _ in figures(agreement_of(reads)) if name.endswith("fields.png")]
    assert {name.split("_")[1] for name in names} == expected
