"""Which version of the program this is; written into every result."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def program_version() -> str:
    """The installed version; in a source tree that is not installed, the one in its pyproject.toml."""
    try:
        return metadata.version("mvd")
    except metadata.PackageNotFoundError:
        path = Path(__file__).resolve().parents[1] / "pyproject.toml"
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"] if path.is_file() else {}
        return str(project["version"]) if project.get("name") == "mvd" else "unknown"
