"""CPU time of short commands: `shiftvae map` of one frame, and `shiftvae train` outside its steps.

    python benchmarks/speed/start_up.py [--runs 5] [--steps 1 100 200] [--page]

Every command runs as a user runs it, in a process of its own with one thread; user and system time of that process,
smallest of the runs. The scan is a simulated frame of 512 x 512 px, the model that of the longest training.

A training of n steps costs `outside + n * step`: a straight line through the smallest time at each number of steps.
Stages are CPU times within one further process each, in the order in which they happen.

Writes benchmarks/results/start-up.json; with --page also the section of docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from report import table

from shiftvae_rt.benchmark import describe_machine
from shiftvae_rt.simulator import Microscope

HERE = Path(__file__).parents[1]
RESULTS, PAGE = HERE / "results" / "start-up.json", HERE.parent / "docs" / "reference" / "benchmarks.md"
START, END = "<!-- start-up: written by benchmarks/speed/start_up.py -->", "<!-- end of start-up -->"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MAP_TARGET_S, TRAIN_TARGET_S = 0.45, 8.0

#: Runs `shiftvae` and prints, as JSON, what the process had spent at the beginning of each stage.
MAP_STAGES = """
import json, sys, time
spent = [("Python itself", time.process_time())]
def then(what): spent.append((what, time.process_time()))
model, scan, output = sys.argv[1:]
import numpy
then("import numpy")
import shiftvae_rt.cli, shiftvae_rt.commands.map
shiftvae_rt.cli.command_parser(shiftvae_rt.cli.installed_commands(), ["map"])
then("the command and its options")
from shiftvae_rt import LatentMapper, ModelFile, read_frames, write_latent_map
ModelFile, LatentMapper, read_frames, write_latent_map
then("import the mapper")
file = ModelFile.read(model)
then("read the model file, check hashes and graphs")
mapper = LatentMapper(file)
then("set up the network, run the golden frame")
frame = read_frames(scan)[0]
then("read the frame")
found = mapper.map(frame.pixels)
then("map it")
write_latent_map(output, found)
then("write the map")
print(json.dumps(spent))
"""
TRAIN_STAGES = """
import json, sys, time
from shiftvae_rt import cli
marks = [("start, the command and its options", 0.0)]
import shiftvae_training.fitting.progress as progress
def stage(self, words): marks.append((words, time.process_time()))
progress.Progress.stage = stage
cli.main(["train", *sys.argv[1:]])
marks.append(("", time.process_time()))
print(json.dumps([(what, after - before) for (what, before), (_, after) in zip(marks, marks[1:])]))
"""


def run_child(words: list[str]) -> tuple[float, str]:
    """CPU time of a child process, s, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def cpu_s(words: list[str], runs: int) -> float:
    """Smallest CPU time of several runs, s."""
    return min(run_child(words)[0] for _ in range(runs))


def measure(folder: Path, runs: int, steps: list[int]) -> dict[str, Any]:
    shiftvae = str(Path(sys.executable).with_name("shiftvae"))
    scan, model, output = (str(folder / name) for name in ("scan.npy", "scan.svae", "map.npz"))
    np.save(scan, Microscope(seed=0).frame(0).pixels)
    train = [shiftvae, "train", scan, "-o", model, "--force"]
    few = max(1, runs // 2)
    spent = [cpu_s([*train, "--steps", str(count)], few) for count in steps]
    step, outside = np.polyfit(steps, spent, 1)
    lean = cpu_s([*train, "--steps", str(steps[0]), "--no-report"], few) - step * steps[0]
    words = ["scan.npy", "-o", "stages.svae", "--force", "--steps", str(steps[0])]
    words[0], words[2] = scan, str(folder / words[2])
    parts = json.loads(run_child([sys.executable, "-c", TRAIN_STAGES, *words])[1].splitlines()[-1])
    named = [(what.split(": ")[0].replace(f"{folder}/", "").rstrip(" ."), round(s, 2)) for what, s in parts]
    stages = [{"stage": what, "CPU s": s} for what, s in named if s]
    mapped = cpu_s([shiftvae, "map", model, scan, "-o", output, "--force"], runs)
    every = [
        json.loads(run_child([sys.executable, "-c", MAP_STAGES, model, scan, output])[1].splitlines()[-1])
        for _ in range(runs)
    ]
    ends = np.array([[end for _, end in one] for one in every])
    each = np.diff(ends, axis=1, prepend=0.0).min(axis=0)
    return {
        "machine": describe_machine(),
        "map_s": round(mapped, 3),
        "map_stages": [{"stage": what, "CPU s": round(s, 3)} for (what, _), s in zip(every[0], each, strict=True)],
        "train_outside_s": round(float(outside), 2),
        "train_outside_without_report_s": round(float(lean), 2),
        "train_step_ms": round(1e3 * float(step), 1),
        "train_s": dict(zip(map(str, steps), [round(s, 2) for s in spent], strict=True)),
        "train_stages": stages,
    }


def markdown_of(found: dict[str, Any]) -> str:
    """The section of the page."""
    asked = [
        ("`shiftvae map` of one frame, process start to file", f"{MAP_TARGET_S} s", f"{found['map_s']} s"),
        ("`shiftvae train` outside its steps", f"{TRAIN_TARGET_S} s", f"{found['train_outside_s']} s"),
        ("the same with `--no-report`", "", f"{found['train_outside_without_report_s']} s"),
        ("a step", "", f"{found['train_step_ms']} ms"),
    ]
    machine = found["machine"]
    about = (
        "`python benchmarks/speed/start_up.py --page` measures this section anew: CPU time of whole processes with one "
        "thread, smallest of several runs, for one simulated frame of 512 x 512 px. CPU time grows on a busy machine, "
        "whose processes share caches: the load is that at the time."
    )
    parts = [
        START,
        "## Start-up",
        about,
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:.1f}.",
        table([{"what": what, "asked": target, "found": figure} for what, target, figure in asked]),
        "Within `shiftvae map`:",
        table(found["map_stages"]),
        "Within `shiftvae train`, which writes a report too:",
        table(found["train_stages"]),
        END,
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 100, 200])
    parser.add_argument("--page", action="store_true", help="write the section of docs/reference/benchmarks.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), options.runs, options.steps)
    text = markdown_of(found)
    print(text)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    if options.page:
        before, rest = PAGE.read_text().split(START)
        PAGE.write_text(before + text + rest.split(END)[1])


if __name__ == "__main__":
    main()
