"""Codes in the place of patient and specimen names, in everything that is written.

Names stand in columns of their own, where each is replaced whole, and within sentences (why a specimen was left out,
where a pixel size came from), where they have to be found. Names of image files are taken for names of the specimen;
the title and the name of a table's file are left out. What the numbers are sorted by changes too: in the order of the
names, the codes would tell them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TypeVar

from mvd.compare.model import Comparison, Comparisons, CountRow, PatientChange
from mvd.paired_report.evidence import CountedField, Evidence, Origin, ReadVessel, ReportTable
from mvd.paired_report.keys import Pseudonyms

NO_TITLE = "Report under codes"
"""In the place of the title, which a person or a file's name gave: of the names in it none need be one that is known
here."""

Named = TypeVar("Named", CountedField, ReadVessel, Origin)

_LONG = 4
"""A name with fewer letters may be part of any word."""

_FILE = re.compile(
    r"(?:(?<!\w)(?:[A-Za-z]:)?[\\/][^;'\"]*?|[^\s;'\"]+)"
    r"\.(?:svs|ndpi|mrxs|scn|bif|vms|vmu|dcm|czi|tiff?|png|jpe?g|jp2|bmp|geojson|json)(?!\w)",
    re.IGNORECASE,
)
"""A slide or drawing in a sentence, with the folders before it. Of a row that could not be used, no other place says
what its files are called."""
_CODED = re.compile(r"S-[A-Z2-7]{8,}\.\w+")


def pseudonymised(
    comparisons: Comparisons, evidence: Evidence, pseudonyms: Pseudonyms
) -> tuple[Comparisons, Evidence, Pseudonyms]:
    """Both with codes for names, sorted by them, and the pseudonyms with every name that occurs."""
    rows = comparisons.rows
    known = pseudonyms.with_names(
        patients=[*(row.patient for row in rows), *(one.patient for one in comparisons.changes)],
        specimens=[
            *(row.specimen for row in rows if row.specimen),
            *(name for name, _ in evidence.file_names),
            *(one.specimen for one in evidence.fields),
            *(one.specimen for one in evidence.origins),
        ],
    )
    names = _Names(known, dict(evidence.file_names))
    return _comparisons(comparisons, names), _evidence(evidence, names), known


class _Names:
    """What to write for each name."""

    def __init__(self, pseudonyms: Pseudonyms, file_names: Mapping[str, Sequence[str]]) -> None:
        self._patients, self._specimens = pseudonyms.patients, pseudonyms.specimens
        codes: dict[str, str] = {}
        for specimen, files in file_names.items():
            codes |= dict.fromkeys((composed(name) for name in files if name), self._specimens[specimen])
        for table in (self._patients, self._specimens):
            codes |= {composed(name): code for name, code in table.items()}
        self._codes = {name.casefold(): code for name, code in codes.items()}
        longest_first = sorted(codes, key=lambda name: (-len(name), name))
        self._pattern = re.compile("|".join(map(_found_as, longest_first)) or r"(?!)", re.IGNORECASE)

    def patient(self, name: str) -> str:
        return self._patients[name]

    def specimen(self, name: str) -> str:
        return self._specimens[name]

    def either(self, name: str) -> str:
        """The code of a specimen, of a patient, or of the patient in 'patient, timepoint'; else a text."""
        code = self._specimens.get(name) or self._patients.get(name)
        patient, comma, timepoint = name.rpartition(", ")
        if code is None and patient in self._patients:
            code = f"{self._patients[patient]}{comma}{timepoint}"
        return code or self.text(name)

    def text(self, text: str) -> str:
        """A sentence with codes for the names in it."""
        # Not every pair of letters that a pattern takes for one is one to casefold: İ and i.
        coded = self._pattern.sub(lambda found: self._codes.get(found[0].casefold(), "(name)"), composed(text))
        return _FILE.sub(lambda found: found[0] if _CODED.fullmatch(found[0]) else "(file)", coded)

    def maybe(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)


def composed(text: str) -> str:
    """With each letter and its accents as one character: macOS gives file names in which they are apart."""
    return unicodedata.normalize("NFC", text)


def _found_as(name: str) -> str:
    """How a name is looked for in a sentence.

    A long name is replaced wherever it stands, within other words, too: better a word too many than a name. One such as
    p01 is replaced where it stands alone, and a short number, or one or two letters, only where a name would stand, so
    that the numbers in a sentence stay what they are.
    """
    pattern = re.escape(name)
    if len(name) >= _LONG and not name.isdigit():
        return pattern
    if len(name) >= _LONG or not (name.isdigit() or name.isalpha()):
        return rf"(?<![^\W_]){pattern}(?![^\W_])"
    return rf"(?:^|(?<=patient )|(?<=specimen )|(?<=; )|(?<=\()|(?<=')){pattern}(?=$|[:;,')]| has )"


def _comparisons(comparisons: Comparisons, names: _Names) -> Comparisons:
    place = {timepoint: index for index, timepoint in enumerate(comparisons.timepoints)}
    rows = [_row(row, names) for row in comparisons.rows]
    changes = [_change(change, names) for change in comparisons.changes]
    return replace(
        comparisons,
        title=NO_TITLE,
        source=_source(comparisons, names),
        file=None,
        rows=tuple(sorted(rows, key=lambda row: (row.patient, place.get(row.timepoint, len(place))))),
        changes=tuple(sorted(changes, key=lambda one: (one.patient, place.get(one.timepoint, len(place))))),
        comparisons=tuple(_comparison(one, names) for one in comparisons.comparisons),
        unreviewed=tuple(sorted(map(names.either, comparisons.unreviewed))),
        left_out=tuple(sorted((names.either(who), names.text(why)) for who, why in comparisons.left_out)),
    )


def _source(comparisons: Comparisons, names: _Names) -> str:
    """Without the name of the table's file; observers keep their names."""
    source, file = composed(comparisons.source), composed(comparisons.file or "")
    before, found, after = source.rpartition(file) if file else ("", "", source)
    return names.text(before + ("the table" if found else "") + after)


def _row(row: CountRow, names: _Names) -> CountRow:
    specimen = None if row.specimen is None else names.specimen(row.specimen)
    return replace(
        row,
        patient=names.patient(row.patient),
        specimen=specimen,
        reason=names.maybe(row.reason),
        caution=names.maybe(row.caution),
    )


def _change(change: PatientChange, names: _Names) -> PatientChange:
    return replace(change, patient=names.patient(change.patient), missing=names.maybe(change.missing))


def _comparison(comparison: Comparison, names: _Names) -> Comparison:
    return replace(comparison, note=names.text(comparison.note))


def _evidence(evidence: Evidence, names: _Names) -> Evidence:
    protocol = evidence.protocol
    return replace(
        evidence,
        fields=tuple(_by_specimen(evidence.fields, names)),
        vessels=tuple(_by_specimen(evidence.vessels, names)),
        pictures={(names.specimen(name), field): path for (name, field), path in evidence.pictures.items()},
        origins=tuple(_by_specimen((_origin(one, names) for one in evidence.origins), names)),
        protocol=protocol and protocol.model_copy(update={"title": NO_TITLE}),
        agreement=tuple(_table(table, names) for table in evidence.agreement),
        file_names=(),
    )


def _by_specimen(rows: Iterable[Named], names: _Names) -> Iterator[Named]:
    """Rows under their specimens' codes, sorted by them; the rows of one specimen stay in their order."""
    coded = [replace(row, specimen=names.specimen(row.specimen)) for row in rows]
    return iter(sorted(coded, key=lambda row: row.specimen))


def _origin(origin: Origin, names: _Names) -> Origin:
    file = names.specimen(origin.specimen) + PurePath(origin.slide).suffix
    return replace(origin, slide=file, calibration=names.text(origin.calibration))


def _table(table: ReportTable, names: _Names) -> ReportTable:
    cells = [tuple(names.either(cell) for cell in row) for row in table.rows]
    return replace(table, note=names.text(table.note), rows=tuple(cells))
