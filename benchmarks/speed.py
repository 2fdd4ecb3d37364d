"""How fast vessels are found on whole slides, beside decoding alone and beside what others use.

    python benchmarks/speed.py [--quick] [--slides FOLDER] [--histomicstk PYTHON] [--write docs/speed.md]

Every run is a process of its own on one machine, one after the other. `--quick` takes one small slide (two minutes).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from speed_contenders import POSITIVE_PIXEL_COUNT
from speed_slides import SlidePlan, ensure_slide

from mvd.protocol import Protocol

QUICK = (SlidePlan("small", 4096, 4096), SlidePlan("small_2x", 4096, 4096, 2))
FULL = (
    SlidePlan("square_5k", 5000, 5000),
    SlidePlan("square_10k", 10_000, 10_000),
    SlidePlan("square_20k", 20_000, 20_000),
    SlidePlan("square_20k_2x", 20_000, 20_000, 2),
    SlidePlan("biopsy_100k", 100_000, 10_000),
    SlidePlan("islands_100k", 100_000, 100_000, islands=True),
)
COHORT = 8
"""Specimens; each is the smallest slide."""
RIVALS_ON = ("small", "square_20k")
"""The slides on which the others run too, unless others are named."""
REPEATS = 3
"""Of the runs that are timed by the clock alone: a machine with other guests stretches it by a fifth now and then."""
FIELDS_ON = ("small", "square_20k", "biopsy_100k")
"""The slides of which five fields are counted."""
NAMES = {
    "decode": "(a) decoding the tiles that (b) needs",
    "find": "(b) `mvd find`",
    "histomicstk": "(c) HistomicsTK `positive_pixel_count`, whole slide at level 0",
    "skimage": "(d) scikit-image at 0.5 µm/px, whole slide",
    "skimage-full": "(d) the same at level 0",
}
PAGE = """# Speed

`make benchmark-speed` makes the slides (once), runs everything below side by side on one machine and writes this page.
This one was made with `{command}`.

The slides are pyramids as Aperio writes them (0.25 µm/px, tiles of 256, JPEG in RGB at quality 70, each level a quarter
as wide as the one before; `_2x`: half), laid out from four simulated sections; tissue covers nearly all of them, and a
fifth of `islands_100k`.
Each run is a process of its own; files are in the system's cache. MPix are pixels of level 0 of the whole slide.
(a) decodes exactly the tiles that (b) reads, each once, with the same reader. (b) on two cores surveys the slide in two
threads, then searches a slide of up to 24 blocks in two threads and a larger one in two workers; (a) has two threads.
Memory is that of the process that holds the slide. Five fields and cohorts are timed as `mvd run`, from the command to
its end, three times: median and range; a run with one worker keeps to one core, and five fields use both.
(c) looks at the colour of each pixel and finds no objects; (d) is separate_stains, a threshold, label and
regionprops_table in blocks, with neither tissue nor joins between blocks. Ratios are of processor time on one core,
which other work on the machine does not stretch, and of the clock on two.

{table}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One contender on one slide."""

    slide: SlidePlan
    contender: str
    cores: int
    result: dict[str, Any]

    @property
    def seconds(self) -> float:
        return float(self.result["seconds"])

    @property
    def spent(self) -> float:
        """What ratios are taken of: processor time on one core, the clock on more."""
        return float(self.result["cpu_s"]) if self.cores == 1 else self.seconds

    @property
    def mpix_per_s(self) -> float:
        return self.slide.width * self.slide.height / 1e6 / self.spent


def measured(command: Sequence[str]) -> dict[str, Any]:
    """What a measured process prints in its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def runs(plans: Sequence[SlidePlan], options: argparse.Namespace) -> Iterator[Run]:
    folder: Path = options.slides
    script = str(Path(__file__).with_name("speed_contenders.py"))
    for plan in plans:
        path, tiles = ensure_slide(plan, folder), folder / f"{plan.name}.tiles.json"
        for name in ("find", "decode", *(("skimage", "skimage-full") if plan.name in options.rivals_on else ())):
            for cores in options.cores if name in ("find", "decode") else (1,):
                command = [sys.executable, script, name, str(path), str(cores), str(tiles)]
                yield _told(Run(plan, name, cores, measured(command)))
        if options.histomicstk is not None and plan.name in options.rivals_on:
            for cores in options.cores:
                command = [str(options.histomicstk), "-c", POSITIVE_PIXEL_COUNT, str(path), str(cores)]
                yield _told(Run(plan, "histomicstk", cores, measured(_on_cores(command, cores))))


def _on_cores(command: Sequence[str], cores: int) -> list[str]:
    chosen = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[:cores])
    return ["taskset", "--cpu-list", chosen, *command]


def _told(run: Run) -> Run:
    print(
        f"{run.slide.name:15} {run.contender:13} {run.cores} {run.seconds:7.2f} s {json.dumps(run.result)}", flush=True
    )
    return run


def five_fields(slide: Path) -> tuple[float, float]:
    """Seconds, by the clock and of processor time, from the command to the results of five systematic fields.

    The whole slide is surveyed, but no vessels are looked for outside the fields.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_study(Path(folder), [slide], whole=False)
        start, cpu = time.perf_counter(), _spent_by_children()
        _run(Path(folder), workers=None)
        return time.perf_counter() - start, _spent_by_children() - cpu


def cohort(slide: Path) -> dict[int, float]:
    """Seconds of a study of eight specimens, all of each searched, by the number of workers."""
    took, results = {}, set()
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            _write_study(Path(folder), [slide] * COHORT, whole=True)
            start = time.perf_counter()
            _run(Path(folder), workers=workers)
            took[workers] = time.perf_counter() - start
            results.add((Path(folder) / "results" / "vessels.csv").read_bytes())
        print(f"{COHORT} specimens of {slide.stem}, {workers} workers: {took[workers]:.1f} s", flush=True)
    assert len(results) == 1, "the numbers hang on how many workers there were"
    return took


def _write_study(folder: Path, slides: Sequence[Path], *, whole: bool) -> None:
    protocol = Protocol()
    counts = protocol.counts.model_copy(update={"hotspot_density": whole})
    chosen = protocol.model_copy(update={"counts": counts, "timepoints": ("pre",)})
    rows = [f"s{n},p{n},pre,{slide.resolve()}" for n, slide in enumerate(slides, start=1)]
    (folder / "study.toml").write_text(chosen.to_toml(), encoding="utf-8")
    (folder / "specimens.csv").write_text("\n".join(["specimen,patient,timepoint,image", *rows, ""]))


def _run(study: Path, *, workers: int | None) -> None:
    program = "import sys; from mvd.cli import main; sys.exit(main())"
    asked = [] if workers is None else ["--workers", str(workers)]
    command = [sys.executable, "-c", program, "run", str(study), "--quiet", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mvd run failed:\n{done.stderr}")


def _spent_by_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def comparison(found: Sequence[Run]) -> list[str]:
    """One table a slide: everything that ran on it."""
    lines = []
    for name in dict.fromkeys(run.slide.name for run in found):
        of = [run for run in found if run.slide.name == name]
        plan, finding = of[0].slide, next(run for run in of if run.contender == "find")
        tiles, decoded = finding.result["tiles"], finding.result["decoded"]
        lines += [
            f"## {name}: {plan.width:,} × {plan.height:,}, levels {', '.join(map(str, plan.downsamples))}",
            "",
            f"{finding.result['tissue_mm2']:.1f} mm² of tissue, {finding.result['objects']} objects, "
            f"{finding.result['counted']} of them counted; {tiles} tiles needed, {decoded / tiles:.2f} decodings each.",
            "",
            "| | cores | seconds | processor seconds | MPix/s | against (a) | peak memory, MB |",
            "|---|---|---|---|---|---|---|",
        ]
        for run in sorted(of, key=lambda run: (list(NAMES).index(run.contender), run.cores)):
            floor = next(r.spent for r in of if r.contender == "decode" and r.cores == run.cores)
            lines.append(
                f"| {NAMES[run.contender]} | {run.cores} | {run.seconds:.1f} | {run.result['cpu_s']:.1f} "
                f"| {run.mpix_per_s:.1f} | {run.spent / floor:.1f} | {run.result['peak_mb']:.0f} |"
            )
        lines.append("")
    return lines


def growth(found: Sequence[Run]) -> list[str]:
    """Time and memory of (b) against the size of the slide."""
    lines = ["## Against slide size, (b) on one core", ""]
    lines += [
        "| slide | MPix | tissue, mm² | processor seconds | a mm² | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for run in found:
        if run.contender == "find" and run.cores == 1:
            mm2 = run.result["tissue_mm2"]
            mpix = run.slide.width * run.slide.height / 1e6
            lines.append(
                f"| {run.slide.name} | {mpix:.0f} | {mm2:.1f} | {run.spent:.1f} | {run.spent / mm2:.2f} "
                f"| {run.result['peak_mb']:.0f} |"
            )
    return [*lines, ""]


def typical(values: Sequence[float], digits: int) -> str:
    """Median and range."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def targets(
    found: Sequence[Run], fields_s: dict[str, list[tuple[float, float]]], cohorts_s: Sequence[dict[int, float]]
) -> list[str]:
    """What is aimed at, and what was measured."""
    name = next((run.slide.name for run in found if run.contender == "skimage"), found[0].slide.name)
    by = {(run.contender, run.cores): run for run in found if run.slide.name == name}
    ours = by["find", 1].spent

    def against(contender: str) -> str:
        return f"{by[contender, 1].spent / ours:.2f} ×" if (contender, 1) in by else "not measured"

    second = "not measured"
    if ("find", 2) in by:
        second = f"{by['find', 1].seconds / by['find', 2].seconds:.2f} ×"
    peak = max(run.result["peak_mb"] for run in found if run.contender == "find")
    rows = (
        ("(b) in the time of (a)", "≤ 1.6 ×", f"{ours / by['decode', 1].spent:.1f} ×"),
        ("speed against (c)", "≥ 3 ×", against("histomicstk")),
        ("speed against (d), level 0", "≥ 10 ×", against("skimage-full")),
        ("speed against (d), 0.5 µm/px", "", against("skimage")),
        ("two cores against one, one slide", "", second),
        ("peak memory of (b), any slide", "< 1024 MB", f"{peak:.0f} MB"),
        (
            f"two workers against one, {COHORT} specimens",
            "≥ 1.8 ×",
            f"{typical([s[1] / s[2] for s in cohorts_s], 2)} ×",
        ),
        *(
            (f"five fields from a cold start, `{slide}`, all cores", "< 5 s", f"{typical([s for s, _ in times], 1)} s")
            for slide, times in fields_s.items()
        ),
    )
    lines = [f"## What is aimed at (`{name}`, one core unless said)", "", "| | aim | measured |", "|---|---|---|"]
    return [*lines, *(f"| {what} | {aim} | {got} |" for what, aim, got in rows), ""]


def machine() -> list[str]:
    return [f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}.", ""]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "processor unknown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small slide, two minutes")
    parser.add_argument("--only", nargs="+", metavar="SLIDE", help="of the slides, only these")
    parser.add_argument("--rivals-on", nargs="+", metavar="SLIDE", default=RIVALS_ON, help="where (c) and (d) run too")
    parser.add_argument("--cores", nargs="+", type=int, choices=(1, 2), default=(1, 2), help="1 is always among them")
    parser.add_argument("--slides", type=Path, default=Path("out/benchmark"), help="where the slides are kept")
    parser.add_argument("--histomicstk", type=Path, help="a Python that has HistomicsTK; without it (c) is left out")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    plans = [plan for plan in (QUICK if options.quick else FULL) if plan.name in (options.only or [plan.name])]
    found = list(runs(plans, options))
    smallest = min(plans, key=lambda plan: plan.width * plan.height).path(options.slides)
    fields_s = {
        plan.name: [five_fields(plan.path(options.slides)) for _ in range(REPEATS)]
        for plan in plans
        if plan.name in FIELDS_ON
    }
    cohorts_s = [cohort(smallest) for _ in range(REPEATS)]
    parts: list[Callable[[], list[str]]] = [
        machine,
        lambda: targets(found, fields_s, cohorts_s),
        lambda: growth(found),
        lambda: comparison(found),
    ]
    text = "\n".join(line for part in parts for line in part())
    if options.histomicstk is None:
        text += "\n(c) was not measured: no Python with HistomicsTK was named.\n"
    print(text)
    if options.write:
        options.write.write_text(
            PAGE.format(command=shlex.join(["benchmarks/speed.py", *sys.argv[1:]]), table=text.rstrip()),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
