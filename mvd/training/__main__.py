"""`python -m mvd.training REAL` learns the shipped score and groups anew: half an hour on two cores.

A third of that makes the composites, which are kept.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mvd.errors import MvdError
from mvd.training.shipped import make_shipped, sources_of

_SOURCE_TREE = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mvd.training", description=__doc__)
    parser.add_argument("real", type=Path, help="folder of real images; tools/composite.py lies beside it")
    parser.add_argument("--into", type=Path, default=_SOURCE_TREE, help="source tree to write to; this one by default")
    parser.add_argument("--kept", type=Path, default=Path("out/composites"), help="where composites are made and kept")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes; all cores by default")
    options = parser.parse_args()
    try:
        sources = sources_of(options.real.resolve(), options.kept.resolve(), workers=options.workers)
        model = make_shipped(sources, options.into, workers=options.workers)
    except MvdError as error:
        sys.exit(str(error))
    print(f"{options.into}: {model.name} {model.version}, weights {model.sha256}")  # noqa: T201


if __name__ == "__main__":
    main()
