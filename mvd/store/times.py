"""times.csv: when each result was made and how long that took. Beside the results, which are the same whenever made."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path

TIMES_FILE = "times.csv"
_HEADER = ("specimen", "measured_at", "seconds")


def note_time(folder: Path, specimen: str, *, seconds: float) -> None:
    """Add a line for a specimen measured just now. A disk that refuses loses this line alone."""
    line = io.StringIO()
    table = csv.writer(line, lineterminator="\n")
    try:
        handle = os.open(folder / TIMES_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:
        return
    try:
        if os.fstat(handle).st_size == 0:
            table.writerow(_HEADER)
        table.writerow((specimen, datetime.now(UTC).isoformat(timespec="seconds"), f"{seconds:.1f}"))
        os.write(handle, line.getvalue().encode())
    except OSError:
        pass
    finally:
        os.close(handle)


def measured_at(folder: Path) -> dict[str, str]:
    """When each specimen was measured last, as ISO 8601; without those of which nothing was noted."""
    try:
        text = (folder / TIMES_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    rows = (row for row in csv.reader(io.StringIO(text)) if len(row) == len(_HEADER))
    return {specimen: when for specimen, when, _ in rows if (specimen, when) != _HEADER[:2]}
