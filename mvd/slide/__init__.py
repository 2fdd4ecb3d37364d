"""The only package that opens images: one small type over TIFF tiles, OpenSlide, PNG and JPEG.

`open_slide` gives a `Slide` whose `read(rect, um_per_px)` answers in µm; `inspect_slide` tells what a file holds, even
without a pixel size. Label and macro images are never opened: they show patients' names.
"""

from mvd.slide.mask import read_mask
from mvd.slide.model import Image, Level, Slide, SlideInfo
from mvd.slide.opening import inspect_slide, open_slide

__all__ = ["Image", "Level", "Slide", "SlideInfo", "inspect_slide", "open_slide", "read_mask"]
