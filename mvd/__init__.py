"""Bone-marrow microvessel density.

    import mvd

    found = mvd.find("section.ome.tif")
    print(sum(vessel.accepted for vessel in found.vessels), "vessels")
    for row in mvd.run_study("sample_images", out="out"):
        print(row.specimen, row.mvd_per_mm2, row.ci_low, row.ci_high)

Lengths are in µm, densities in vessels/mm². Whatever a user can put right is an `MvdError` whose text says how. The
names below load what they need when they are first used; everything else in the package may change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvd.compare import paired_differences as paired_differences
    from mvd.comparison import compare_study as compare_study
    from mvd.comparison import compare_table as compare_table
    from mvd.errors import MvdError as MvdError
    from mvd.phantom import PhantomSpec as PhantomSpec
    from mvd.phantom import make_phantom as make_phantom
    from mvd.pipeline import count_specimen as count_specimen
    from mvd.pipeline import find as find
    from mvd.protocol import Protocol as Protocol
    from mvd.slide import open_slide as open_slide
    from mvd.study import read_study as read_study
    from mvd.study import run_study as run_study

    __version__: str

_HOMES = {
    "MvdError": "mvd.errors",
    "PhantomSpec": "mvd.phantom",
    "Protocol": "mvd.protocol",
    "compare_study": "mvd.comparison",
    "compare_table": "mvd.comparison",
    "count_specimen": "mvd.pipeline",
    "find": "mvd.pipeline",
    "make_phantom": "mvd.phantom",
    "open_slide": "mvd.slide",
    "paired_differences": "mvd.compare",
    "read_study": "mvd.study",
    "run_study": "mvd.study",
}

__all__ = [
    "MvdError",
    "PhantomSpec",
    "Protocol",
    "__version__",
    "compare_study",
    "compare_table",
    "count_specimen",
    "find",
    "make_phantom",
    "open_slide",
    "paired_differences",
    "read_study",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from mvd.version import program_version  # noqa: PLC0415  (reading metadata takes longer than all the rest)

        return program_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'mvd' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
