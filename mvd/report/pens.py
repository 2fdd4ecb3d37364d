"""How each kind of line looks. Colours that colour-blind eyes tell apart, and dashes that need no colour."""

from mvd.report.sheet import Dot, Pen

COUNTED = Pen((0, 240, 255), 1.5, rim=(12, 44, 60))
COUNTED_DOT = Dot((0, 240, 255), 3.0, rim=(12, 44, 60))
LUMEN = Pen((0, 200, 225), 1.0, dash_px=(4, 2.5), rim=(0, 70, 90))
LEFT_OUT = Pen((255, 255, 255), 1.5, dash_px=(9, 5), rim=(70, 70, 76))
OTHER = Pen((255, 255, 255), 1.5, rim=(70, 70, 76))
OTHER_DOT = Dot((120, 0, 20), 1.6, rim=(255, 235, 200))
REJECTED = Pen((255, 214, 0), 1.5, dash_px=(2.5, 4.5), rim=(84, 60, 0))

INCLUDES = Pen((0, 150, 80), 3.0, rim=(255, 255, 255))
EXCLUDES = Pen((214, 40, 0), 3.0, dash_px=(14, 8), rim=(255, 255, 255))
COARSE_FIELD = Pen((30, 60, 160), 2.0, rim=(255, 255, 255))
FIELD = Pen((30, 60, 160), 2.5, rim=(255, 255, 255))
COARSE_INVOLVED = Pen((176, 0, 130), 1.5, dash_px=(14, 5))
INVOLVED = Pen((176, 0, 130), 2.5, dash_px=(22, 6), rim=(255, 255, 255))

"""The coarse ones are for pictures of a whole biopsy, in which a field is some thirty pixels wide."""

UNFIT = (60, 60, 70)
"""Hatching of what cannot be evaluated."""
BONE = (40, 40, 110)
FOLD = (240, 110, 0)
"""Seen on the dark of a fold, too."""
BLUR = (0, 120, 90)

HOT_SPOT = Pen((255, 255, 255), 2.5, rim=(10, 10, 14))
HOT_FIELD = Pen((255, 255, 255), 1.5, dash_px=(6, 4), rim=(10, 10, 14))
EQUAL_DENSITY = Pen((196, 196, 204), 1.0)
MAPPED_DOT = Dot((255, 255, 255), 0.9, rim=(10, 10, 14))
"""Black on white: the map has every lightness and the colours."""
