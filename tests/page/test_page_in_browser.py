"""The report's page in a real Chromium: what a reader sees, presses and prints."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import Page
from paired_example import PATIENTS, evidence, example
from PIL import Image

from mvd.paired_report import Evidence, FieldPicture, write_report

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

WINDOWS = {"desk": (1280, 900), "tablet": (820, 1180), "phone": (390, 844)}
A4_PX = 680
"""Paper of 210 mm less its margins, at 96 pixels an inch."""
FIELD_PX = 1200

HOSTILE = {
    PATIENTS[0]: "<script>window.hit = 1</script>",
    PATIENTS[1]: '"><img src=x onerror="window.hit = 2">',
    PATIENTS[2]: "=cmd|' /C calc'!A0",
    PATIENTS[3]: "</style><script>window.hit = 3</script>",
    PATIENTS[4]: "O'Neill & Söhne <b>$x^2$</b>",
    PATIENTS[5]: "x" * 90,
}


def drawn(path: Path) -> Path:
    """A field picture with its caption strip, as large as a real one."""
    pixels = np.full((FIELD_PX + 90, FIELD_PX, 3), 235, np.uint8)
    pixels[:FIELD_PX, :, 2] = np.linspace(120, 255, FIELD_PX, dtype=np.uint8)[:, None]
    pixels[FIELD_PX:] = (255, 0, 0)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with pictures of the fields of two patients, one of them with a name that would do harm."""
    out = tmp_path_factory.mktemp("report")
    names = HOSTILE | {f"{PATIENTS[0]}_pre": "<script>window.hit = 4</script>_pre"}
    comparisons = example(names)
    shown = evidence(comparisons)
    picture = drawn(out / "field.png")
    few = [field for field in shown.fields if field.specimen in (names[f"{PATIENTS[0]}_pre"], f"{PATIENTS[0]}_3mo")]
    pictures = {(f.specimen, f.field): FieldPicture(picture, f.x_um, f.y_um, f.side_um, f.count) for f in few}
    write_report(out / "report", comparisons, evidence=replace(shown, pictures=pictures))
    return out / "report" / "paired.html"


@pytest.fixture
def page(browser: Page, study: Path) -> Page:
    browser.resize(1280, 900)
    browser.open(study)
    return browser


def test_it_opens_without_a_complaint_and_asks_for_nothing_but_itself(page, study):
    assert page.complaints == []
    asked = [address for address in page.requests if not address.startswith("data:")]
    assert asked == [study.resolve().as_uri()]
    assert page.value("performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:')).length") == 0


def test_what_would_be_loaded_from_elsewhere_is_refused_and_seen(browser, study, tmp_path):
    """That the test above can fail: the page's policy stops an address, and the browser says so."""
    text = study.read_text(encoding="utf-8")
    for harm in (
        '<img src="https://example.org/x.png">',
        "<script>document.title = 'ran'</script>",
        '<iframe src="https://example.org"></iframe>',
    ):
        changed = tmp_path / "changed.html"
        changed.write_text(text.replace("<main>", f"<main>{harm}"), encoding="utf-8")
        browser.open(changed)
        assert any("Content Security Policy" in complaint for complaint in browser.complaints), harm
        assert browser.value("document.title") != "ran"
        browser.value("new Promise((done) => setTimeout(() => done(1), 200))")  # until it is told what was stopped
        assert not any(address.startswith("https") for address in browser.requests), harm


def test_names_that_look_like_code_are_shown_and_never_run(page):
    assert page.value("window.hit === undefined")
    shown = page.value("[...document.querySelectorAll('#specimens tbody th')].map((cell) => cell.textContent)")
    assert set(HOSTILE.values()) <= set(shown)
    assert page.value("document.querySelectorAll('main b, main img[src=x]').length") == 0


def column(page: Page, table: int, index: int) -> list[str]:
    return list(
        page.value(
            f"[...document.querySelectorAll('table.sortable')[{table}].tBodies[0].rows]"
            f".map((row) => row.cells[{index}].textContent)"
        )
    )


def sorted_as(page: Page, table: int, index: int) -> str:
    return str(
        page.value(f"document.querySelectorAll('table.sortable')[{table}].tHead.rows[0].cells[{index}].ariaSort")
    )


def test_a_heading_sorts_its_table_and_says_which_way(page):
    count = 4
    before = column(page, 0, count)
    page.click(f"#specimens table.sortable th:nth-child({count + 1}) button")
    after = column(page, 0, count)
    numbers = [int(cell) for cell in after if cell != "–"]
    assert after != before
    assert numbers == sorted(numbers)
    assert [float(cell) for cell in after[:2]] == sorted(float(cell) for cell in before if cell != "–")[:2]
    assert after[-1] == "–"  # without a count: last, either way
    assert sorted_as(page, 0, count) == "ascending"
    page.click(f"#specimens table.sortable th:nth-child({count + 1}) button")
    down = column(page, 0, count)
    assert [int(cell) for cell in down if cell != "–"] == numbers[::-1]
    assert down[-1] == "–"
    assert sorted_as(page, 0, count) == "descending"


def test_a_table_sorts_from_the_keyboard_alone(page):
    before = column(page, 0, 6)
    page.value("document.querySelector('#specimens table.sortable th:nth-child(7) button').focus()")
    page.press("Enter", 13)
    after = column(page, 0, 6)
    assert after != before
    assert sorted(after) == sorted(before)
    assert sorted_as(page, 0, 6) == "ascending"


def test_timepoints_sort_in_the_order_of_the_protocol(page):
    page.click("#specimens table.sortable th:nth-child(2) button")
    assert list(dict.fromkeys(column(page, 0, 1))) == ["pre", "3mo", "6mo"]


@pytest.mark.parametrize("window", WINDOWS)
def test_nothing_is_wider_than_the_window(page, window):
    page.resize(*WINDOWS[window])
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_on_paper_no_table_and_no_figure_is_cut_off(page):
    page.resize(A4_PX, 1000, printed=True)
    over = page.value(
        "[...document.querySelectorAll('table, svg, figure, pre')]"
        f".filter((one) => one.getBoundingClientRect().right > {A4_PX} + 1).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert over == []
    assert page.value("getComputedStyle(document.querySelector('nav')).display") == "none"


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_it_prints_on_a4_with_a_page_for_each_patient(page):
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    boxes = set(re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf))
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}
    page.value("document.querySelectorAll('.timepoints').forEach((one) => one.remove())")
    headings = pages(page.pdf())  # a page each, however little stands on it
    page.value("document.querySelectorAll('.patient').forEach((one) => one.remove())")
    assert abs(headings - pages(page.pdf()) - len(PATIENTS)) <= 1  # what follows begins below the last of them


def test_a_picture_has_no_caption_strip_and_grows_when_it_is_chosen(page):
    assert page.value(
        "[...document.images].every((image) => image.naturalWidth === 600 && image.naturalHeight === 600)"
    )
    assert page.value("[...document.images].every((image) => image.alt.startsWith('Section with Field'))")
    size = "document.querySelector('figure.field img').getBoundingClientRect().width"
    small = page.value(size)
    page.click("figure.field img")
    assert page.value(size) > 2 * small
    page.value("scrollTo(0, 0)")  # it stays over the page, wherever the page is scrolled to
    assert page.value("document.elementFromPoint(innerWidth / 2, innerHeight / 2).tagName") == "IMG"
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    assert not ((pixels[..., 0] > 240) & (pixels[..., 1] < 20)).any()  # the strip was red


def test_every_figure_says_in_words_what_it_shows(page):
    said = page.value("[...document.querySelectorAll('figure.plot svg')].map((one) => one.getAttribute('aria-label'))")
    assert len(said) == 4
    assert all(len(text) > 60 for text in said)


def test_no_two_elements_have_one_name(page):
    names = page.value("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(names) == len(set(names))
    dangling = page.value(
        "[...document.querySelectorAll('a[href^=\"#\"], use')].map((one) => one.getAttribute('href').slice(1))"
        ".filter((name) => !document.getElementById(name))"
    )
    assert dangling == []


def test_a_table_of_counts_alone_gives_a_page_too(browser, tmp_path):
    write_report(tmp_path / "report", example(), evidence=Evidence())
    browser.open(tmp_path / "report" / "paired.html")
    assert browser.complaints == []
    assert browser.value("document.querySelectorAll('section').length") == 9
    assert browser.value("document.images.length") == 0
