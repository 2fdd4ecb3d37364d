"""Other looks of a picture: another strength of brown, another sharpness, the same things in the same places."""

from __future__ import annotations

import numpy as np

from mvd.training.pictures import Source, opened, other_looks
from mvd.training.retouching import _restained, retouched

WHITE, BLUE, BROWN = (240, 240, 240), (150, 140, 190), (120, 70, 40)


def picture() -> np.ndarray:
    """A brown square on blue tissue beside glass."""
    image = np.full((60, 60, 3), WHITE, np.uint8)
    image[:, 20:] = BLUE
    image[20:40, 30:50] = BROWN
    return image


def density(image: np.ndarray) -> np.ndarray:
    return -np.log10(np.clip(image.astype(float), 1, 255) / 255)


def test_a_look_is_made_by_its_seed_alone() -> None:
    looks = [retouched(picture(), seed) for seed in range(12)]
    assert all(np.array_equal(retouched(picture(), seed), look) for seed, look in enumerate(looks))
    assert len({look.tobytes() for look in looks}) == 12


def test_nothing_moves() -> None:
    for seed in range(12):
        look = density(retouched(picture(), seed))
        brown = look[..., 2] - look[..., 0] > 0.6 * np.max(look[24:36, 34:46, 2] - look[24:36, 34:46, 0])
        rows, columns = np.nonzero(brown)
        assert abs(rows.mean() - 29.5) < 1
        assert abs(columns.mean() - 39.5) < 1


def test_brown_gets_darker_or_paler_and_the_counterstain_stays() -> None:
    plain = density(picture())
    for strength in (0.6, 2.0):
        made = density(_restained(picture().astype(np.float32), strength))
        brown = made[30, 40, 2] - 1.05 * made[30, 40, 0]
        assert (brown > plain[30, 40, 2] - 1.05 * plain[30, 40, 0]) == (strength > 1)
        assert np.allclose(made[5, 25], plain[5, 25], atol=0.01)
        assert np.allclose(made[5, 5], plain[5, 5], atol=0.01)


def test_each_picture_gets_another_look_of_its_own(tmp_path) -> None:
    from PIL import Image  # noqa: PLC0415

    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    first, second = other_looks(
        [Source("a", "composite", "colon", 0.5, path), Source("b", "composite", "colon", 0.5, path)]
    )
    assert (first.name, first.stock) == ("a, retouched", "composite colon")
    seen = []
    for source in (first, second):
        with opened(source) as one:
            seen.append(one.slide.read(one.slide.bounds, 0.5).pixels)
    assert np.array_equal(seen[0], retouched(picture(), 0))
    assert not np.array_equal(seen[0], seen[1])
