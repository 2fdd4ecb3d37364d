"""Text files as people keep them: plain, or packed as QuPath's export dialogue packs them (gzip, zip)."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

from mvd.errors import MvdError

MOST_BYTES = 2**28
"""Of one file, unpacked: a million outlines. More is a packing bomb."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_TEXTS = (".geojson", ".json")


def is_geojson(path: Path) -> bool:
    """Whether a name is that of GeoJSON, packed or not."""
    name = path.name.casefold()
    return name.removesuffix(".gz").removesuffix(".zip").endswith(_TEXTS) or name.endswith(".zip")


def unpacked(path: Path, wrong: type[MvdError]) -> bytes:
    """The bytes of a file, unpacked where they are packed, whatever its name.

    Raises
    ------
    wrong
        It is packed and damaged, too large, or holds no GeoJSON file or several.
    OSError
        It cannot be read.
    """
    data = path.read_bytes()
    if data.startswith(_GZIP):
        return _gunzipped(data, path.name, wrong)
    if data.startswith(_ZIP):
        return _unzipped(data, path.name, wrong)
    return data


def _gunzipped(data: bytes, name: str, wrong: type[MvdError]) -> bytes:
    gzip = zlib.decompressobj(wbits=31)
    try:
        text = gzip.decompress(data, MOST_BYTES + 1)
    except zlib.error as error:
        raise wrong(f"{name} is a damaged gzip file; export it again") from error
    if len(text) > MOST_BYTES:
        raise wrong(f"{name} holds more than {MOST_BYTES >> 20} MB; export fewer objects")
    if not gzip.eof:
        raise wrong(f"{name} is cut short; copy or export it again")
    return text


def _unzipped(data: bytes, name: str, wrong: type[MvdError]) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            texts = [one for one in packed.infolist() if one.filename.casefold().endswith(_TEXTS)]
            if len(texts) != 1:
                raise wrong(f"{name} holds {len(texts)} GeoJSON files; unpack it and name the one that is meant")
            if texts[0].file_size > MOST_BYTES:
                raise wrong(f"{name} holds more than {MOST_BYTES >> 20} MB; export fewer objects")
            with packed.open(texts[0]) as text:
                return text.read(MOST_BYTES)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise wrong(f"{name} is a damaged or locked zip file; export it again") from error
