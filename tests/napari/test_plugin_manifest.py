"""The manifest names what there is, and napari finds it."""

import importlib.util
from importlib import metadata
from pathlib import Path

import pytest

npe2 = pytest.importorskip("npe2", reason='napari is not installed: pip install "mvd[napari-test]"')

import mvd_napari  # noqa: E402
from mvd_napari.reader import SLIDE_SUFFIXES  # noqa: E402

MANIFEST = npe2.PluginManifest.from_file(Path(mvd_napari.__file__).with_name("napari.yaml"))


def test_every_slide_that_we_read_is_named() -> None:
    (reader,) = [one for one in MANIFEST.contributions.readers if one.command == "mvd.open_slide"]
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in SLIDE_SUFFIXES}


@pytest.mark.parametrize("command", [one.id for one in MANIFEST.contributions.commands])
def test_every_command_has_its_function(command: str) -> None:
    (found,) = [one for one in MANIFEST.contributions.commands if one.id == command]
    module, name = found.python_name.split(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    assert f"def {name}(" in Path(spec.origin).read_text(encoding="utf-8")


def test_installed_distribution_tells_napari_of_the_manifest() -> None:
    try:
        entries = metadata.distribution("mvd").entry_points
    except metadata.PackageNotFoundError:
        pytest.skip("mvd is not installed here")
    (entry,) = [one for one in entries if one.group == "napari.manifest"]
    assert entry.value == "mvd_napari:napari.yaml"
    assert entry.name == MANIFEST.name == "mvd"
