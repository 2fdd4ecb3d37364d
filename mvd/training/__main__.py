"""`python -m mvd.training FOLDER` makes the shipped score anew; hours on one core, most of it simulating sections."""

from __future__ import annotations

import argparse
from pathlib import Path

from mvd.training.shipped import Reference, make_shipped


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mvd.training", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    parser.add_argument("--kept", type=Path, help="examples are kept under this name, and taken from there again")
    parser.add_argument(
        "--reference", nargs=3, metavar=("IMAGE", "BOXES", "UM_PER_PX"), help="a real picture to try the model on"
    )
    options = parser.parse_args()
    reference = None
    if options.reference:
        image, boxes, um_per_px = options.reference
        reference = Reference(Path(image), Path(boxes), float(um_per_px))
    model = make_shipped(options.folder, workers=options.workers, kept=options.kept, reference=reference)
    print(f"{options.folder}: threshold {model.threshold}, weights {model.sha256}")  # noqa: T201


if __name__ == "__main__":
    main()
