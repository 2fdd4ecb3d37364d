"""Pictures of the paired report, to be looked at: the sample study's page on a screen, on a phone and on paper.

    python benchmarks/report_pictures.py out/report --measured out/demo

Needs a Chromium. The JPEG file is that of the README: the page's beginning, and a patient's field pictures.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

from mvd.comparison import compare_study
from mvd.paired_report import Folders, read_evidence, write_report
from mvd.study import read_study, run_study

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests" / "page"))

from chromium import Page, chromium, chromium_path  # noqa: E402

WIDTH, HEIGHT = 1060, 1400
"""Of each half of the README's picture, in CSS pixels."""
GAP = 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--measured", type=Path, help="results of sample_images, to save the measuring")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    browser = chromium_path()
    if browser is None:
        raise SystemExit("there is no Chromium here; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        study = Path(scratch) / "sample"
        shutil.copytree(REPO / "sample_images", study)
        if chosen.measured:
            shutil.copytree(chosen.measured, study / "results")
        run_study(study)
        page = write_sample(study)
        with chromium(browser, Path(scratch) / "profile") as window:
            draw(window, page, chosen.out)


def write_sample(study: Path) -> Path:
    """The report of the sample study."""
    read = read_study(study)
    comparisons = compare_study(read)
    folders = Folders(study / "results", study / "reviews", study / "report")
    evidence = read_evidence(read.manifest, read.protocol, comparisons=comparisons, folders=folders)
    return write_report(study / "report", comparisons, evidence=evidence).files[0]


def draw(window: Page, page: Path, out: Path) -> None:
    window.resize(WIDTH, HEIGHT)
    window.call("Emulation.setScrollbarsHidden", hidden=True)
    window.open(page)
    head = round(window.value("document.querySelector('#tests').getBoundingClientRect().top"))
    start = shot(window).crop((0, 0, WIDTH, min(head, HEIGHT)))
    left = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
    left.paste(seen(window, "#figures"), (0, start.height))
    left.paste(start, (0, 0))
    both = Image.new("RGB", (2 * WIDTH + GAP, HEIGHT), (226, 226, 230))
    both.paste(left, (0, 0))
    both.paste(seen(window, ".patient"), (WIDTH + GAP, 0))
    save(both.resize((1500, round(1500 * HEIGHT / both.width)), Image.Resampling.LANCZOS), out / "report.jpg")
    window.resize(1280, window.value("document.documentElement.scrollHeight"))
    save(shot(window), out / "report_whole.png")
    window.resize(390, 844)
    save(shot(window), out / "report_phone.png")
    (out / "report.pdf").write_bytes(window.pdf())


def seen(window: Page, selector: str) -> Image.Image:
    """The window with this part at its top."""
    window.value(f"document.querySelector('{selector}').scrollIntoView(); 1")
    return shot(window)


def shot(window: Page) -> Image.Image:
    return Image.open(io.BytesIO(window.screenshot())).convert("RGB")


def save(image: Image.Image, path: Path) -> None:
    image.save(path, quality=82)
    print(path, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
