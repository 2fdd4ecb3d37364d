"""Folds: bands in which the section lies double, so that nuclei and what lies between them are both darker.

An infiltrate, however dense, has the nuclei that the rest of the section has, with pale gaps between them; to lose one
as a fold would cost more than to keep a fold. So a fold must be denser than the section and than all that lies round
it, and only its continuation may be less so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mvd.geometry import FloatImage, Mask
from mvd.threads import for_each
from mvd.tissue.bands import Band, bands
from mvd.tissue.detail import Detail
from mvd.tissue.masks import (
    OVERVIEW_UM_PER_PX,
    blur_reach_px,
    closed,
    distance_um,
    grown,
    grown_from,
    opened,
    percentile_in,
    smoothed,
    within,
)

_SMOOTH_UM = 8.0
"""Gaussian sigma: wider than a nucleus, narrower than a fold."""
_MEDIAN_PX = 5
"""Window of 20 µm, the narrowest fold; keeps its edge sharp."""
_TYPICAL_PERCENTILE = 75.0
"""Of the slide's tissue: the denser part of it, so that an infiltrate on a pale slide is not far above."""
_DENSE, _DENSE_SMOOTH, _EDGE = 1.25, 1.15, 1.15
"""Layers against the typical: everywhere in a candidate, the same where smoothed, and of a fold's paler edge."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a candidate must reach. Layers are the geometric mean of nuclei and ground; two layers give 2.

    A step is the palest quarter of the candidate against the densest quarter of what lies round it.
    """

    area_um2: float
    layers: float
    """Mean against the typical."""
    step: float
    counterstain: float
    """Mean against the typical; red ink over a section and sheets of brown stay below 1.2."""
    nuclear: float = 0.0
    """Mean of the nuclei against the typical: epithelium has denser ground, but hardly denser nuclei (1.3)."""
    nuclear_step: float = 0.0
    length_um: float = 0.0
    elongation: float = 0.0
    """Area over the square of the greatest width."""


_FOLD = _Limits(area_um2=1500.0, layers=1.5, step=1.4, counterstain=1.2)
"""20 by 75 µm and more. Dense clusters of nuclei in 25 simulated sections (12 candidates) stayed below a step of 1.31;
43 of 46 parts of folds had 1.33 to 2.0, a fold in a real section 1.95."""
_BAND = _Limits(
    area_um2=1500.0, layers=1.4, step=1.2, counterstain=1.2, nuclear=1.35, nuclear_step=1.15, length_um=150.0,
    elongation=2.4,
)  # fmt: skip
"""Fainter, but long and narrow. Of 114 candidates that were no fold none reached all of it; a band of 40 by 300 µm at
1.7 times the density does in half of the sections."""
_CONTINUATION = _Limits(area_um2=600.0, layers=1.4, step=1.25, counterstain=1.05)
_GAP_UM = 80.0
"""A fold goes on beyond a gap of this width, a fat cell lying over it."""
_OPENING_UM = 8.0
"""Radius that a fold holds everywhere."""
_BESIDE_UM = (12.0, 40.0)
"""What lies round a candidate: beyond its blurred edge, and no farther than the same kind of tissue goes."""
_REACH_UM = 24.0
"""How far the pale edge of a fold may lie from what is surely fold."""
_EDGE_OPENING_UM = 6.0
_BRIDGE_UM = 20.0
"""Half the width of a small fat cell."""


@dataclass(frozen=True, slots=True, eq=False)
class _Densities:
    """Each against the typical of the slide's tissue."""

    layers: FloatImage
    nuclear: FloatImage
    counterstain: FloatImage


def find_folds(details: Sequence[Detail], stained: Sequence[Mask]) -> tuple[Mask, ...]:
    """Folds of the section.

    Parameters
    ----------
    details, stained
        Of each island of the slide: its detail, and its tissue without clear gaps and without bone.
    """
    if not any(mask.any() for mask in stained):
        return tuple(np.zeros_like(mask) for mask in stained)
    counterstain = _against_typical([_smooth_counterstain(detail) for detail in details], stained)
    candidates, layered = [], []
    for mask, sharp in zip(stained, _densities(details, stained, counterstain, _sharp), strict=True):
        candidates.append(list(_candidates(mask, sharp, _DENSE, (_FOLD, _CONTINUATION))))
        layered.append(mask & (sharp.layers > _EDGE))
    del sharp  # of a large slide a hundred MB
    folds = []
    for number, smooth in enumerate(_densities(details, stained, counterstain, _smooth)):
        bands_of = list(_candidates(stained[number], smooth, _DENSE_SMOOTH, (_BAND,)))
        folds.append(_folds(candidates[number], bands_of, layered[number]))
    return tuple(folds)


def _folds(candidates: list[_Candidate], long: list[_Candidate], layered: Mask) -> Mask:
    """From the candidates of an island, those that may be bands apart, and where its densities are of two layers."""
    folds = np.zeros_like(layered)
    for candidate in candidates:
        if candidate.reaches(_FOLD):
            folds[candidate.place] |= candidate.patch
    for candidate in long:
        if candidate.reaches(_BAND):
            folds[candidate.place] |= candidate.patch & layered[candidate.place]
    if not folds.any():
        return folds
    folds = _with_continuations(folds, [candidate for candidate in candidates if candidate.reaches(_CONTINUATION)])
    edge = layered & grown(folds, _REACH_UM)
    whole = opened(grown_from(folds, folds | edge), _EDGE_OPENING_UM) | folds
    return closed(whole, _BRIDGE_UM)


_Way = Callable[[FloatImage, Mask], FloatImage]
_REACH_PX = blur_reach_px(_SMOOTH_UM)
"""Of either way; the median's is less."""


def _sharp(values: FloatImage, _stained: Mask) -> FloatImage:
    """With the edges of folds sharp."""
    return np.asarray(cv2.medianBlur(values, _MEDIAN_PX), np.float32)


def _smooth(values: FloatImage, stained: Mask) -> FloatImage:
    """The mean of what is stained within reach."""
    return within(values, stained, _SMOOTH_UM)


def _densities(
    details: Sequence[Detail], stained: Sequence[Mask], counterstain: Sequence[FloatImage], way: _Way
) -> Iterator[_Densities]:
    """Of each island, in turn."""
    both = [_layers_and_nuclear(detail, mask, way) for detail, mask in zip(details, stained, strict=True)]
    layers, nuclear = (_against_typical([pair[which] for pair in both], stained) for which in (0, 1))
    yield from map(_Densities, layers, nuclear, counterstain)


def _layers_and_nuclear(detail: Detail, stained: Mask, way: _Way) -> tuple[FloatImage, FloatImage]:
    layers, nuclear = (np.empty(stained.shape, np.float32) for _ in range(2))

    def look(band: Band) -> None:
        ground, nuclei = detail.ground[band.wide], np.ascontiguousarray(detail.nuclear[band.wide])
        layers[band.rows] = way(np.asarray(np.sqrt(ground * nuclei), np.float32), stained[band.wide])[band.own]
        nuclear[band.rows] = way(nuclei, stained[band.wide])[band.own]

    for_each(look, bands(stained.shape, _REACH_PX))
    return layers, nuclear


def _smooth_counterstain(detail: Detail) -> FloatImage:
    smooth = np.empty(detail.counterstain.shape, np.float32)

    def look(band: Band) -> None:
        smooth[band.rows] = smoothed(detail.counterstain[band.wide], _SMOOTH_UM)[band.own]

    for_each(look, bands(smooth.shape, _REACH_PX))
    return smooth


def _against_typical(values: Sequence[FloatImage], stained: Sequence[Mask]) -> Sequence[FloatImage]:
    """Divided by what is typical of the slide's tissue, in place."""
    typical = np.float32(max(percentile_in(values, stained, _TYPICAL_PERCENTILE), 1e-3))
    for of_island in values:
        np.divide(of_island, typical, out=of_island)
    return values


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A dense patch of tissue, cut out of the overview, and its measures as in `_Limits`."""

    patch: Mask
    place: tuple[slice, slice]
    measures: _Limits

    def reaches(self, limits: _Limits) -> bool:
        return all(getattr(self.measures, name) >= getattr(limits, name) for name in _Limits.__slots__)


def _candidates(stained: Mask, densities: _Densities, least: float, kinds: tuple[_Limits, ...]) -> Iterator[_Candidate]:
    """Each connected part that is dense and may be one of the kinds, measured against what lies round it."""
    dense = opened(stained & (densities.layers > least), _OPENING_UM)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dense.view(np.uint8), connectivity=4)
    margin = round(_BESIDE_UM[1] / OVERVIEW_UM_PER_PX) + 1
    for number in range(1, count):
        left, top, width, height, size = (int(n) for n in stats[number])
        box = slice(top, top + height), slice(left, left + width)
        fit = tuple(kind for kind in kinds if size * OVERVIEW_UM_PER_PX**2 >= kind.area_um2)
        if not fit or not _may_be(fit, np.asarray(labels[box] == number, bool), box, densities):
            continue
        place = (
            slice(max(top - margin, 0), top + height + margin),
            slice(max(left - margin, 0), left + width + margin),
        )
        patch = np.asarray(labels[place] == number, bool)
        yield _Candidate(patch, place, _measures(patch, place, stained, densities))


def _may_be(kinds: tuple[_Limits, ...], patch: Mask, box: tuple[slice, slice], densities: _Densities) -> bool:
    """Whether a patch is dense enough for any kind; most are not, and need no look at what lies round them."""
    layers, nuclear, counterstain = (
        float(values[box][patch].mean()) for values in (densities.layers, densities.nuclear, densities.counterstain)
    )
    return any(
        layers >= kind.layers and nuclear >= kind.nuclear and counterstain >= kind.counterstain for kind in kinds
    )


def _measures(patch: Mask, place: tuple[slice, slice], stained: Mask, densities: _Densities) -> _Limits:
    away_um = distance_um(patch)
    beside = (away_um <= _BESIDE_UM[1]) & ~(away_um <= _BESIDE_UM[0]) & stained[place]
    layers, nuclear = densities.layers[place], densities.nuclear[place]
    width_px = 2 * float(cv2.distanceTransform(np.pad(patch, 1).astype(np.uint8), cv2.DIST_L2, 5).max())
    size_px = int(np.count_nonzero(patch))
    return _Limits(
        area_um2=size_px * OVERVIEW_UM_PER_PX**2,
        layers=float(layers[patch].mean()),
        step=_step(layers, patch, beside),
        counterstain=float(densities.counterstain[place][patch].mean()),
        nuclear=float(nuclear[patch].mean()),
        nuclear_step=_step(nuclear, patch, beside),
        length_um=max(cv2.minAreaRect(np.argwhere(patch).astype(np.float32))[1]) * OVERVIEW_UM_PER_PX,
        elongation=size_px / width_px**2,
    )


def _step(values: FloatImage, patch: Mask, beside: Mask) -> float:
    """Against the typical where a patch has no tissue beside it."""
    around = float(np.percentile(values[beside], 75)) if beside.any() else 1.0
    return float(np.percentile(values[patch], 25)) / max(around, 1e-3)


def _with_continuations(folds: Mask, candidates: list[_Candidate]) -> Mask:
    """The folds, and from them on whatever goes on near what was found so far."""
    whole, waiting = folds.copy(), candidates
    while True:
        near = grown(whole, _GAP_UM)
        joined = [bool((near[candidate.place] & candidate.patch).any()) for candidate in waiting]
        for candidate, joins in zip(waiting, joined, strict=True):
            if joins:
                whole[candidate.place] |= candidate.patch
        if not any(joined):
            return whole
        waiting = [candidate for candidate, joins in zip(waiting, joined, strict=True) if not joins]
