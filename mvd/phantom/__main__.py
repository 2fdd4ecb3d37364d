"""`python -m mvd.phantom FOLDER` remakes the sample study."""

from __future__ import annotations

import sys
from pathlib import Path

from mvd.phantom.study import make_sample_study

if __name__ == "__main__":
    make_sample_study(Path(sys.argv[1] if len(sys.argv) > 1 else "sample_images"))
