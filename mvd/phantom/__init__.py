"""A simulator of CD34-stained marrow sections with known truth.

A scene is laid out and painted in µm on a fine grid (absorbers with the Beer–Lambert law), then seen through optics,
a sensor and JPEG at the pixel size asked for. The same seed with another pixel size, stain strength or brightness is
the same scene with the same truth.
"""

from mvd.phantom.gallery import empty_marrow, example, scene_of
from mvd.phantom.scene import make_phantom, truth_of
from mvd.phantom.spec import COUNTED, ENDOTHELIAL, Kind, Phantom, PhantomSpec, Placed, TruthVessel

__all__ = [
    "COUNTED",
    "ENDOTHELIAL",
    "Kind",
    "Phantom",
    "PhantomSpec",
    "Placed",
    "TruthVessel",
    "empty_marrow",
    "example",
    "make_phantom",
    "scene_of",
    "truth_of",
]
