"""Measured steps: limits, repetition, and the words for what went wrong."""

import os
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from common import CACHE, HERE, HOME, Failure, read_json, tail

RUNS = 7
# Steps that take longer are run once.
REPEAT_BELOW = 10.0
# No further repetition after this many seconds, once there are three.
REPEAT_BUDGET = 40.0


@dataclass
class Limits:
    """What one step may use."""

    seconds: float
    memory: int


def environment():
    """The variables of a measured process: no home, no proxies, no settings of the user."""
    keep = ("PATH", "LANG", "LC_ALL", "TMPDIR", "NODE_PATH", "RAYON_NUM_THREADS")
    kept = {name: os.environ[name] for name in keep if name in os.environ}
    for folder in (HOME, CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    return {**kept, "HOME": str(HOME), "XDG_CACHE_HOME": str(CACHE)}


def once(command, folder, limits, env=None):
    """Runs a command once in a folder. Its figures, with the end of its output."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    report, log = folder / "step.usage.json", folder / "step.log"
    report.unlink(missing_ok=True)
    arguments = [sys.executable, "-I", "-S", str(HERE / "spawn.py"), str(report),
                 str(limits.seconds), str(int(limits.memory)), str(log), *map(str, command)]
    process = subprocess.Popen(arguments, cwd=folder, env={**environment(), **(env or {})},
                               start_new_session=True)
    try:
        process.wait()
    finally:
        # Ctrl-C reaches this process only: stop the step and whatever it started.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    usage = read_json(report)
    if usage is None:
        raise Failure(f"the step was not measured: {tail(log.read_text(errors='replace'))}")
    usage["output"] = log.read_text(errors="replace")
    return usage


def outcome(usage, limits):
    """("ok" | "failed" | "limit", message) of one run."""
    if usage["stopped"] == "time":
        return "limit", f"stopped after {limits.seconds:.0f} s (the time limit)"
    if usage["stopped"] == "memory":
        return "limit", f"stopped above {limits.memory / 2**30:.1f} GiB (the memory limit)"
    if usage["exit"] == 0:
        return "ok", ""
    message = tail(usage["output"])
    if usage["exit"] < 0:
        name = signal.Signals(-usage["exit"]).name
        return "failed", f"ended by {name}{': ' + message if message else ''}"
    return "failed", message or f"exit code {usage['exit']}"


def well(usage, limits, what="the step"):
    """A run's figures if it ended well; else a Failure that names it."""
    status, message = outcome(usage, limits)
    if status != "ok":
        raise Failure(f"{what}: {message}")
    return usage


def wanted(walls, runs=RUNS):
    """Whether another run is due after runs of these lengths."""
    if not walls:
        return True
    if walls[0] >= REPEAT_BELOW or len(walls) >= runs:
        return False
    return len(walls) < 3 or sum(walls) + walls[0] <= REPEAT_BUDGET


def step(make_command, folder, limits, *, collect=None, repeat=True, env=None):
    """Runs a step, repeatedly if it is short, and sums it up.

    `make_command(i)` gives the i-th run's command, `collect(i, usage)` a dictionary of
    what to keep of it; `library` in it is the time of the library call alone. The first
    failure ends the step.
    """
    samples, walls = [], []
    while wanted(walls) and (repeat or not walls):
        index = len(walls)
        usage = once(make_command(index), folder, limits, env)
        status, message = outcome(usage, limits)
        sample = {name: usage[name] for name in ("wall", "cpu", "peak_bytes")}
        if status != "ok":
            return {"status": status, "message": message, "samples": [*samples, sample]}
        sample.update(collect(index, usage) if collect else {})
        samples.append(sample)
        walls.append(usage["wall"])
    return summary(samples)


def summary(samples):
    """Medians of the runs, the largest peak."""
    result = {"status": "ok", "runs": len(samples), "samples": samples}
    for name in ("wall", "cpu", "library"):
        values = [sample[name] for sample in samples if name in sample]
        if values:
            result[name] = statistics.median(values)
    result["peak_bytes"] = max(sample["peak_bytes"] for sample in samples)
    return result
