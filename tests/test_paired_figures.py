"""Figures show every value, in marks that differ without colour, and are the same bytes each time."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from paired_example import AREA_MM2, OTHER, PATIENTS, RESPONDER, evidence, example
from PIL import Image

from mvd.compare.model import CountRow
from mvd.paired_report import CountedField, Evidence
from mvd.paired_report.figures import FIGURE_NAMES, draw_figures
from mvd.paired_report.figures.boxes import box_plot
from mvd.paired_report.figures.fields import dispersion, field_spread
from mvd.paired_report.figures.slopes import slope_plot
from mvd.paired_report.figures.style import NO_RESPONSE, beside, looks
from mvd.paired_report.figures.waterfall import waterfall
from mvd.paired_report.inline import inline_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn():
    comparisons = example()
    return {figure.name: figure for figure in draw_figures(comparisons, evidence(comparisons))}


def words(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_there_are_four(drawn):
    assert tuple(drawn) == FIGURE_NAMES


def test_the_same_input_gives_the_same_bytes(drawn):
    again = slope_plot(example())
    assert again is not None
    assert (again.svg, again.png) == (drawn["slopes"].svg, drawn["slopes"].png)


@pytest.mark.parametrize("name", ["slopes", "waterfall", "boxes", "fields"])
def test_svg_and_png_are_what_they_say_and_tell_no_date(drawn, name):
    root = ElementTree.fromstring(drawn[name].svg)
    assert root.tag == f"{SVG}svg"
    assert b"<dc:date" not in drawn[name].svg
    image = Image.open(io.BytesIO(drawn[name].png))
    assert image.width == 1400
    assert not image.info.get("Software")


def test_groups_differ_in_mark_line_and_hatching_and_not_by_colour_alone():
    found = list(
        looks(
            example(rows=tuple(replace(r, response=g) for r, g in zip(example().rows, "abcd", strict=False)))
        ).values()
    )
    assert len(found) == 4
    for one, other in combinations(found, 2):
        assert one.marker != other.marker
        assert one.line != other.line
        assert one.hatch != other.hatch


def test_responders_come_first_and_unknown_ones_last():
    assert list(looks(example())) == [RESPONDER, OTHER]
    rows = (*example().rows, replace(example().rows[0], patient="new", response=None))
    assert list(looks(example(rows=rows))) == [RESPONDER, OTHER, NO_RESPONSE]


def test_hatched_and_full_bars_differ_in_grey(drawn):
    """In black and white the bars of the two groups are not the same."""
    grey = np.asarray(Image.open(io.BytesIO(drawn["waterfall"].png)).convert("L"), float)
    full = (grey > 80) & (grey < 115)  # #0072b2 is 95
    assert full.mean() > 0.02
    pattern = ElementTree.fromstring(drawn["waterfall"].svg).find(f".//{SVG}pattern")
    assert pattern is not None
    filled = f"fill: url(#{pattern.get('id')})"
    bars = [
        one for one in example().changes if one.response == OTHER and one.difference and one.timepoint in ("3mo", "6mo")
    ]
    assert drawn["waterfall"].svg.decode().count(filled) == len(bars) + 1  # and once in the legend


def test_the_slope_plot_has_a_line_for_every_patient_who_has_two_timepoints(drawn):
    root = ElementTree.fromstring(drawn["slopes"].svg)
    lines = [one for one in root.iter(f"{SVG}path") if "stroke-width: 1.1" in (one.get("style") or "")]
    assert len(lines) == len(PATIENTS)
    assert "n = 22" in words(drawn["slopes"].svg)
    assert any(text.startswith("median ") for text in words(drawn["slopes"].svg))


def test_the_waterfall_runs_from_the_largest_gain_to_the_largest_loss(drawn):
    names = [text for text in words(drawn["waterfall"].svg) if text in PATIENTS]
    changes = {one.patient: one.difference for one in example().changes if one.timepoint == "3mo" and one.difference}
    shown = [changes[name] for name in names[: len(changes)]]
    assert len(shown) == 19
    assert shown == sorted(shown, reverse=True)


def test_alternative_texts_give_the_numbers(drawn):
    for one in example().summaries:
        assert f"{one.timepoint}: median {one.median:g}" in drawn["boxes"].alt
    rose = sum(one.timepoint == "3mo" and (one.difference or 0) > 0 for one in example().changes)
    assert f"at 3mo MVD rose in {rose}" in drawn["slopes"].alt


def test_equal_values_do_not_lie_on_top_of_each_other():
    values = [16.0, 16.0, 16.0, 40.0, 41.0, 90.0]
    moved = beside(values, nearest=2.0)
    assert len(set(moved[:3])) == 3
    assert moved[3] != moved[4]
    assert moved[5] == 0
    assert all(abs(x) <= 0.3 for x in beside([1.0] * 300, nearest=1.0))


def test_fields_that_vary_by_chance_alone_have_a_dispersion_near_one():
    chance = np.random.default_rng(5)
    poisson = {str(i): _fields(chance.poisson(6, 5)) for i in range(400)}
    clustered = {str(i): _fields(chance.poisson(chance.gamma(3, 2), 5)) for i in range(400)}
    clumped = {str(i): _fields(3 * chance.poisson(2, 5)) for i in range(400)}
    assert dispersion(poisson) == pytest.approx(1, abs=0.08)
    assert dispersion(clustered) == pytest.approx(1, abs=0.08)  # specimens differ, fields within one do not
    assert dispersion(clumped) == pytest.approx(3, abs=0.25)


def test_where_no_spread_can_be_told_none_is():
    assert dispersion({"a": _fields([4])}) is None
    assert dispersion({"a": _fields([0, 0, 0])}) is None


def test_a_specimen_of_one_field_has_no_spread_to_draw():
    rows = tuple(
        CountRow(f"p{n}", "pre", f"s{n}", 4, AREA_MM2, 12.8, None, "program", True, ci_low=4.0, ci_high=40.0)
        for n in range(70)
    )
    fields = [replace(one, specimen=f"s{n}") for n in range(70) for one in _fields([4, 6] if n else [4])]
    figure = field_spread(example(rows=rows, changes=()), Evidence(fields=tuple(fields)))
    assert figure is not None
    assert "1 specimen of one field left out" in figure.caption
    few = field_spread(example(rows=rows[:9], changes=()), Evidence(fields=tuple(fields)))
    assert few is not None
    assert "interval" in few.caption


def _fields(counts) -> list[CountedField]:
    return [
        CountedField("s", str(i), "program", 0.0, 0.0, 250.0, AREA_MM2 / 5, int(n), float(n) * 16)
        for i, n in enumerate(counts)
    ]


def test_nothing_measured_gives_no_figure():
    lost = tuple(replace(r, count=None, mvd_per_mm2=None, area_mm2=None, reason="lost") for r in example().rows[:3])
    nothing = example(rows=lost, changes=(), summaries=())
    assert draw_figures(nothing, Evidence()) == ()


def test_names_with_dollars_and_letters_of_any_kind_are_shown_as_they_are():
    names = {
        PATIENTS[0]: "a$x^2$",
        PATIENTS[1]: "<b>&",
        PATIENTS[2]: "李四",
        PATIENTS[3]: "x\x00\x07y",
        PATIENTS[4]: "n" * 99,
    }
    figure = waterfall(example(names))
    assert figure is not None
    shown = words(figure.svg)
    assert {"a$x^2$", "<b>&", "李四"} <= set(shown)
    assert max(map(len, shown)) < 40


def test_a_figure_on_the_page_keeps_its_identifiers_and_its_style_to_itself(drawn):
    pages = {name: inline_svg(figure) for name, figure in drawn.items()}
    names = [set(re.findall(r' id="([^"]*)"', page)) for page in pages.values()]
    for one, other in pairwise(names):
        assert not one & other
    for name, page in pages.items():
        assert "<style" not in page
        assert "<metadata" not in page
        assert f'aria-label="{drawn[name].alt[:30]}' in page
        for target in re.findall(r'(?:href="#|url\(#)([^")]*)', page):
            assert f' id="{target}"' in page


@pytest.mark.parametrize("make", [slope_plot, waterfall, box_plot])
def test_one_patient_is_enough(make):
    first = PATIENTS[0]
    rows = tuple(row for row in example().rows if row.patient == first)
    changes = tuple(one for one in example().changes if one.patient == first)
    summaries = tuple(
        replace(s, n=1, minimum=s.median, maximum=s.median, q1=s.median, q3=s.median) for s in example().summaries
    )
    assert make(example(rows=rows, changes=changes, summaries=summaries)) is not None


def test_fields_of_one_specimen_are_next_to_those_of_the_same_patient(drawn):
    names = [text for text in words(drawn["fields"].svg) if text.startswith("P")]
    assert names[:4] == ["P01 pre", "P01 3mo", "P01 6mo", "P02 pre"]
    assert field_spread(example(), Evidence()) is None
