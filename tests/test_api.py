"""The Python interface: its names, its weight, and the example of the README."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_study import write_section

import mvd

EXPECTED = {
    "MvdError",
    "PhantomSpec",
    "Protocol",
    "__version__",
    "compare_study",
    "compare_table",
    "count_specimen",
    "find",
    "make_phantom",
    "open_slide",
    "paired_differences",
    "read_study",
    "run_study",
}


def test_the_public_names_are_these() -> None:
    assert set(mvd.__all__) == set(dir(mvd)) == EXPECTED
    assert all(getattr(mvd, name) is not None for name in EXPECTED)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'mvd' has no attribute 'counts'"):
        _ = mvd.counts  # type: ignore[attr-defined]


def test_the_import_is_light() -> None:
    code = "import sys, mvd; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True, cwd=root())
    assert not {"numpy", "pydantic", "typer", "rich", "cv2", "tomllib"} & set(loaded.stdout.split())


def root() -> Path:
    return Path(mvd.__file__).parents[1]


def test_find_gives_vessels(tmp_path: Path) -> None:
    found = mvd.find(write_section(tmp_path / "section.ome.tif"))
    assert sum(vessel.accepted for vessel in found.vessels) > 0
    assert list(tmp_path.iterdir()) == [tmp_path / "section.ome.tif"]


def test_run_study_gives_rows(measured_study: Path) -> None:
    for row in mvd.run_study(str(measured_study)):
        assert row.ci_low < row.mvd_per_mm2 < row.ci_high


def test_the_example_of_the_readme_runs_as_it_stands(
    measured_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    example = readme.split("```python\n")[1].split("```")[0]
    assert len([line for line in example.splitlines() if line]) <= 6
    # A small study under the sample's name: the sample itself takes a minute.
    study = shutil.copytree(measured_study, tmp_path / "sample_images")
    image = next(study.glob("*.ome.tif"))
    image.rename(study / "p01_pre.ome.tif")
    manifest = study / "specimens.csv"
    manifest.write_text(manifest.read_text().replace(image.name, "p01_pre.ome.tif"))
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.endswith(" vessels") and int(first.split()[0]) > 0
    assert len(rows) == 2
    assert all(float(low) < float(mvd_per_mm2) < float(high) for _, mvd_per_mm2, low, high in map(str.split, rows))


def test_read_study_and_paired_differences_fit_together(measured_study: Path) -> None:
    from mvd.compare import SpecimenValue  # noqa: PLC0415

    study = mvd.read_study(measured_study)
    rows = [SpecimenValue(r.specimen, r.patient, r.timepoint, r.mvd_per_mm2) for r in mvd.run_study(study)]
    (change,) = mvd.paired_differences(rows, timepoints=study.protocol.timepoints)
    assert change.difference == rows[1].value - rows[0].value


def test_every_fault_of_the_user_is_one_kind_of_error(tmp_path: Path) -> None:
    for wrong in (lambda: mvd.find(tmp_path / "no.tif"), lambda: mvd.run_study(tmp_path / "no")):
        with pytest.raises(mvd.MvdError, match="does not exist"):
            wrong()
