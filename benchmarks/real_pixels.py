"""How well the program finds vessels in real pixels, beside a naive threshold on the same pictures.

    python benchmarks/real_pixels.py [--shared FOLDER] [--leave-out] [--write docs/accuracy.md]

The pictures are not part of the project: where their folder is not, nothing is measured. `--write` writes this
benchmark's part of the page; `accuracy.py` writes the other. `real_pixels_tally.py` says what counts as right.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from page_parts import REAL_PIXELS, write_part
from real_pixels_page import page
from real_pixels_read import FOLDERS, left_out, measure, pictures_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--leave-out", action="store_true", help="read each picture with choices made without it")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    absent = [name for name in FOLDERS if not (options.shared / name).is_dir()]
    if absent:
        print(f"Skipped: the real images are not here (no {', '.join(absent)} in {options.shared}).")
        return
    pictures = pictures_of(options.shared)
    readings, counts = measure(pictures, leave_out=options.leave_out)
    text = page(readings, counts, left_out=options.leave_out and left_out(pictures))
    print(text)
    if options.write:
        write_part(options.write, REAL_PIXELS, text)


if __name__ == "__main__":
    main()
