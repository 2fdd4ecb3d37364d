"""Keyed codes in the place of names, and the file that leads from the codes back to the names.

A code is the start of HMAC-SHA256 of the name, so that nobody without the key can tell a code's name by trying names,
and the same key gives the same codes in every report. Whoever has the key file has the names: it is kept apart, and
only its owner may read it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mvd.errors import StoreError
from mvd.store.atomic import read_whole, write_private

Kind = Literal["patient", "specimen"]

KEY_BYTES = 32
"""As long as the digest: a longer key adds nothing (RFC 2104)."""
_CODE_LETTERS = 8
"""40 bits: among 10,000 names, two have the same code once in 22,000 studies, and then get more letters."""
_SCHEMA = 1
_PREFIX: Mapping[Kind, str] = {"patient": "P", "specimen": "S"}


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """A key, and the names it was used for."""

    key: bytes = field(repr=False)
    patients: Mapping[str, str]
    """Name -> code."""
    specimens: Mapping[str, str]

    def with_names(self, *, patients: Iterable[str], specimens: Iterable[str]) -> Pseudonyms:
        """With codes for more names; those that have one keep it."""
        return Pseudonyms(
            self.key,
            _coded(self.key, "patient", self.patients, patients),
            _coded(self.key, "specimen", self.specimens, specimens),
        )


def read_or_make_pseudonyms(path: Path) -> Pseudonyms:
    """The key file's content, or a new key where there is no such file; nothing is written.

    Raises
    ------
    StoreError
        The file cannot be read or is none that `write_key` wrote.
    """
    text = read_whole(path)
    if text is None:
        return Pseudonyms(secrets.token_bytes(KEY_BYTES), {}, {})
    try:
        entries = json.loads(text)
        key = bytes.fromhex(entries["key"])
        names = [{str(name): str(code) for code, name in entries[kind].items()} for kind in ("patients", "specimens")]
        if entries["schema"] != _SCHEMA or len(key) != KEY_BYTES:
            raise ValueError("another schema, or a key of another length")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path} is no key file of mvd ({error!r}); name the one that was written, or another to make a new key"
        ) from error
    return Pseudonyms(key, *names)


def write_key(path: Path, pseudonyms: Pseudonyms) -> None:
    """Write the key and the names behind the codes; only the owner may read the file (permissions 600).

    Raises
    ------
    StoreError
        It cannot be written.
    """
    entries = {
        "schema": _SCHEMA,
        "keep": "Whoever has this file can tell the names behind the codes: keep it apart from the report.",
        "key": pseudonyms.key.hex(),
        "patients": {code: name for name, code in sorted(pseudonyms.patients.items())},
        "specimens": {code: name for name, code in sorted(pseudonyms.specimens.items())},
    }
    write_private(path, (json.dumps(entries, ensure_ascii=False, indent=1) + "\n").encode())


def _coded(key: bytes, kind: Kind, known: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    codes = dict(known)
    taken = set(codes.values())
    for name in sorted(set(names) - set(codes)):
        length = _CODE_LETTERS
        while (code := _code(key, kind, name, length)) in taken:
            length += 2
        codes[name] = code
        taken.add(code)
    return codes


def _code(key: bytes, kind: Kind, name: str, length: int) -> str:
    """Letters and digits of base 32, which has no 0, 1, 8 and 9 that could be read as O, I, B and g."""
    digest = hmac.new(key, f"{kind}\0{unicodedata.normalize('NFC', name)}".encode(), hashlib.sha256).digest()
    return f"{_PREFIX[kind]}-{base64.b32encode(digest).decode()[:length]}"
