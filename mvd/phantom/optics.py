"""From absorbers to a picture: Beer–Lambert law, point-spread function, sensor, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse

from mvd.geometry import FloatImage, Pixels
from mvd.phantom.anatomy import field_noise
from mvd.phantom.paint import Absorbers
from mvd.phantom.spec import FINE_UM, PLAN_UM, PhantomSpec, stream

Vector = tuple[float, float, float]

LN10 = float(np.log(10.0))

# Two ends of the range seen between laboratories for each stain, RGB optical densities; standard values
# (Ruifrok & Johnston 2001: H 0.65 0.70 0.29, DAB 0.27 0.57 0.78) lie between them.
HAEMATOXYLIN_ENDS = ((0.74, 0.63, 0.24), (0.57, 0.75, 0.34))
DAB_ENDS = ((0.21, 0.51, 0.83), (0.37, 0.59, 0.72))
PROTEIN_ENDS = ((0.36, 0.73, 0.58), (0.56, 0.66, 0.50))
GOLDEN = (0.16, 0.47, 0.87)
BLACK = (0.57, 0.58, 0.58)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything of a specimen's appearance that is not its anatomy."""

    haematoxylin: Vector
    dab: Vector
    protein: Vector
    strength: float
    blue: float
    pallor: float
    """Scales the unstained tissue's tint."""
    haze_od: float
    """Brown background over the whole section."""
    heterogeneity: float
    """Spread of the stain across the section."""
    white: Vector
    blur_um: float
    defocus: float
    """How much the focus varies across the section."""
    sharpening: float
    noise: float
    """Standard deviation in grey levels at white."""
    jpeg_quality: int


def _between(rng: np.random.Generator, ends: tuple[Vector, Vector], *, spread: float) -> Vector:
    at = rng.uniform(0, 1)
    vector = (1 - at) * np.array(ends[0]) + at * np.array(ends[1]) + rng.normal(0, spread, 3)
    vector = np.clip(vector, 0.03, None)
    vector /= np.linalg.norm(vector)
    return (float(vector[0]), float(vector[1]), float(vector[2]))


def draw_look(spec: PhantomSpec) -> Look:
    """Appearance from the seed and difficulty; what the specification gives replaces what was drawn."""
    rng = stream(spec.seed, "look")
    hard, easy = spec.difficulty == "hard", spec.difficulty == "easy"
    haematoxylin = _between(rng, HAEMATOXYLIN_ENDS, spread=0.02)
    dab = _between(rng, DAB_ENDS, spread=0.02)
    protein = _between(rng, PROTEIN_ENDS, spread=0.03)
    strength = rng.uniform(*((0.5, 0.85) if hard else (0.9, 1.4) if easy else (0.7, 1.3)))
    blue = rng.uniform(0.75, 1.3)
    pallor = rng.uniform(0.7, 1.5)
    haze = rng.uniform(*((0.02, 0.07) if hard else (0.0, 0.01) if easy else (0.0, 0.03)))
    heterogeneity = rng.uniform(*((0.15, 0.3) if hard else (0.03, 0.1) if easy else (0.05, 0.18)))
    level = rng.uniform(236, 251) / 255
    tint = rng.uniform(-0.012, 0.012, 3)
    blur = rng.uniform(*((0.45, 0.8) if hard else (0.22, 0.35) if easy else (0.25, 0.5)))
    defocus = rng.uniform(*((0.2, 0.6) if hard else (0.0, 0.15)))
    sharpening, noise = rng.uniform(0.0, 0.6), rng.uniform(0.6, 2.0)
    quality = int(rng.integers(70, 96))
    level = level if spec.brightness is None else spec.brightness
    red, green, blue_white = (float(np.clip(level * (1 + t), 0.2, 1.0)) for t in tint)
    return Look(
        haematoxylin, dab, protein,
        strength if spec.stain_strength is None else spec.stain_strength,
        blue, pallor, haze, heterogeneity, (red, green, blue_white),
        blur if spec.blur_um is None else spec.blur_um,
        defocus, sharpening, noise,
        quality if spec.jpeg_quality is None else spec.jpeg_quality,
    )  # fmt: skip


def area_matrix(size: int, um_per_px: float, extent_um: float) -> sparse.csr_array:
    """Rows average fine pixels by area onto pixels of `um_per_px`; (pixels, size), each row sums to 1."""
    count = pixel_count(extent_um, um_per_px)
    edges = np.minimum(np.arange(count + 1) * (um_per_px / FINE_UM), size)
    cuts = np.unique(np.concatenate([edges, np.arange(np.ceil(edges[-1]))]))
    middle, width = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    rows, columns = np.searchsorted(edges, middle) - 1, np.floor(middle).astype(int)
    weights = width / np.bincount(rows, width, count)[rows]
    return sparse.csr_array((weights.astype(np.float32), (rows, columns)), shape=(count, size))


def pixel_count(extent_um: float, um_per_px: float) -> int:
    """Whole pixels that fit."""
    return max(1, int(np.floor(extent_um / um_per_px + 1e-6)))


def resample(fine: FloatImage, spec: PhantomSpec) -> FloatImage:
    """Area-average of the fine grid on the picture's grid."""
    down = area_matrix(fine.shape[0], spec.um_per_px, spec.height_um)
    across = area_matrix(fine.shape[1], spec.um_per_px, spec.width_um)
    half = np.ascontiguousarray((down @ fine).T)
    coarse: FloatImage = np.ascontiguousarray((across @ half).T).astype(np.float32)
    return coarse


def take_picture(layers: Absorbers, spec: PhantomSpec, look: Look, *, lost: FloatImage) -> Pixels:
    """(rows, columns, 3) uint8 RGB at `spec.um_per_px`; `lost` is the plan of the blur (µm) by lost focus."""
    rng = stream(spec.seed, "optics")
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    uneven = np.exp(0.10 * field_noise(rng, shape, 160 / FINE_UM) + 0.04 * field_noise(rng, shape, 35 / FINE_UM))
    sharp = np.clip(0.5 + 0.6 * field_noise(rng, shape, 220 / FINE_UM), 0, 1) * np.float32(look.defocus)
    vignette = np.float32(1) + np.float32(0.012) * field_noise(rng, shape, 300 / FINE_UM)
    blue = layers.haematoxylin * uneven
    channels = []
    for c in range(3):
        density = cv2.addWeighted(blue, -LN10 * look.haematoxylin[c], layers.dab, -LN10 * look.dab[c], 0.0)
        cv2.scaleAdd(layers.protein, -LN10 * look.pallor * look.protein[c], density, density)
        cv2.scaleAdd(layers.golden, -LN10 * GOLDEN[c], density, density)
        cv2.scaleAdd(layers.black, -LN10 * BLACK[c], density, density)
        light = np.asarray(cv2.exp(density, density), np.float32)
        np.multiply(light, vignette, out=light)
        light = _defocused(light, lost)
        channels.append(resample(_focus(light, look, sharp=sharp, channel=c), spec))
    return _sensor(np.stack(channels, axis=-1), look, rng=rng)


def _focus(light: FloatImage, look: Look, *, sharp: FloatImage, channel: int) -> FloatImage:
    """Point-spread function of one colour; blue is a little softer and shifted (lateral colour below 0.1 µm)."""
    sigma = look.blur_um * (1.0, 0.96, 1.08)[channel] / FINE_UM
    focused = np.asarray(cv2.GaussianBlur(light, (0, 0), sigma), np.float32)
    if look.defocus > 0.02:
        soft = np.asarray(cv2.GaussianBlur(light, (0, 0), 2.2 * sigma), np.float32)
        np.subtract(soft, focused, out=soft)
        np.multiply(soft, sharp, out=soft)
        np.add(focused, soft, out=focused)
    if look.sharpening > 0.02:
        halo = cv2.GaussianBlur(focused, (0, 0), 1.0 / FINE_UM)
        focused = np.asarray(cv2.addWeighted(focused, 1 + look.sharpening, halo, -look.sharpening, 0.0), np.float32)
    shift = (0.3, 0.0, -0.3)[channel]
    if shift:
        move = np.array([[1, 0, shift], [0, 1, 0.5 * shift]], np.float32)
        size = (light.shape[1], light.shape[0])
        focused = np.asarray(cv2.warpAffine(focused, move, size, borderMode=cv2.BORDER_REPLICATE), np.float32)
    return focused


def _defocused(light: FloatImage, lost: FloatImage) -> FloatImage:
    """Light blurred by the sigma planned for each place, between three fixed ones."""
    top = float(lost.max())
    if top <= 0:
        return light
    step = top / 3
    wide = cv2.resize(lost, None, fx=PLAN_UM / FINE_UM, fy=PLAN_UM / FINE_UM, interpolation=cv2.INTER_LINEAR)
    at = wide[: light.shape[0], : light.shape[1]] / np.float32(step)
    out = light * np.clip(1 - at, 0, 1)
    for level in (1, 2, 3):
        soft = np.asarray(cv2.GaussianBlur(light, (0, 0), level * step / FINE_UM), np.float32)
        out += soft * np.clip(1 - np.abs(at - level), 0, 1)
    return np.asarray(out, np.float32)


def _sensor(light: FloatImage, look: Look, *, rng: np.random.Generator) -> Pixels:
    grey = light * np.array(look.white, np.float32) * 255
    shot = np.sqrt(np.clip(grey, 4, None) / 240).astype(np.float32)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    noise = 0.75 * noise + 0.45 * cv2.GaussianBlur(noise, (0, 0), 0.8)  # demosaicing correlates neighbours
    grey += np.float32(look.noise) * shot * noise
    pixels = np.clip(np.round(grey), 0, 255).astype(np.uint8)
    return jpeg(pixels, quality=look.jpeg_quality)


def jpeg(pixels: Pixels, *, quality: int) -> Pixels:
    """The picture after one JPEG compression."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert done and decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
