"""GeoJSON that QuPath packed is read; bombs and damage end in a sentence."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from mvd import packed
from mvd.errors import InvolvedAreaError
from mvd.packed import is_geojson, unpacked

TEXT = b'{"type": "FeatureCollection", "features": []}'


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


READ = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "zip": zipped(a__geojson=TEXT),
    "zip with more in it": zipped(a__geojson=TEXT, readme__txt=b"x"),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_packed_or_not_it_is_the_same_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    assert unpacked(path, InvolvedAreaError) == TEXT


REFUSED = {
    "gzip cut short": (gzip.compress(TEXT)[:-12], "is cut short"),
    "gzip damaged": (gzip.compress(TEXT)[:10] + b"\xff" * 40, "damaged gzip"),
    "zip of two": (zipped(a__geojson=TEXT, b__json=TEXT), "holds 2 GeoJSON files"),
    "zip of none": (zipped(a__txt=TEXT), "holds 0 GeoJSON files"),
    "zip cut short": (zipped(a__geojson=TEXT)[:-30], "damaged or locked zip"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_unpacked_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(content)
    with pytest.raises(InvolvedAreaError, match=said):
        unpacked(path, InvolvedAreaError)


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped(a__geojson=text)], ids=["gzip", "zip"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack) -> None:
    monkeypatch.setattr(packed, "MOST_BYTES", 1 << 20)
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(pack(b" " * (1 << 21)))
    with pytest.raises(InvolvedAreaError, match="holds more than 1 MB"):
        unpacked(path, InvolvedAreaError)


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("a.geojson", True),
        ("A.JSON", True),
        ("a.geojson.gz", True),
        ("a.zip", True),
        ("a.png", False),
        ("a.tif.gz", False),
    ],
)
def test_geojson_is_told_by_its_name(name: str, yes: bool) -> None:
    assert is_geojson(Path(name)) is yes
