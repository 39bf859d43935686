"""Compares Verdict with EZKL on this machine: python3 scripts/compare/run.py

Builds the models, runs every step of both tools as a process of its own, one at a time,
and writes docs/benchmarks.md. Results are kept in target/compare/results.json after each
step: run it again and it goes on where it stopped. Needs Python 3.11, a built Verdict and
the npm tools (`make compare` sees to both).
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import report
import turns
from common import (HERE, MODELS, RESULTS, ROOT, VENV, WORK, Failure, lock, read_json, sha256, tail,
                    write_json, write_text)
from host import environment, machine, preflight, versions
from measure import Limits
from suite import SUITE, select
from tool_ezkl import STEPS as EZKL_STEPS
from tool_ezkl import Ezkl
from tool_verdict import STEPS as VERDICT_STEPS
from tool_verdict import Verdict
from tune import current, tune

TOOLS = ("verdict", "ezkl-calibrated", "ezkl-tuned")
# Proving keys above this are removed once a model is through.
KEPT_KEY = 1 << 30


def build_models(models, force):
    """Builds what is missing; everything if what builds it has changed."""
    sources = (*(HERE / name for name in ("models.py", "trees.py", "suite.py")),
               ROOT / "scripts" / "onnx_models.py", ROOT / "scripts" / "make_dense.py")
    digest, stamp = " ".join(map(sha256, sources)), MODELS / "sources.sha256"
    changed = not stamp.exists() or stamp.read_text() != digest
    chosen = SUITE if changed else models
    missing = [m.name for m in chosen
               if force or changed or not (m.onnx.exists() and m.data.exists())]
    if not missing:
        return
    print(f"building models: {', '.join(missing)}", flush=True)
    done = subprocess.run([VENV / "bin" / "python", HERE / "models.py", *missing],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"the models were not built: {tail(done.stderr)}")
    write_text(stamp, digest)


class Run:
    def __init__(self, args):
        self.args = args
        self.results = read_json(RESULTS, {"machine": machine(), "models": {}})
        if self.results["machine"] != machine():
            raise Failure(f"{RESULTS.relative_to(ROOT)} was measured on another machine: "
                          "remove it to start anew")
        self.results["versions"] = versions()
        self.results["limits"] = {"seconds": args.time_limit, "memory": args.memory_limit}

    def save(self):
        write_json(RESULTS, self.results)

    def model(self, model):
        data = model.read()
        entry = self.results["models"].setdefault(model.name, {})
        entry |= {"title": model.title, "parameters": data["parameters"], "bytes": data["bytes"],
                  "sha256": data["sha256"], "reference": data["outputs"]}
        seconds = self.args.time_limit
        limits = Limits(min(seconds, model.time_limit or seconds), self.args.memory_limit)
        folder = WORK / "work" / model.name
        tools = {}
        for name in TOOLS:
            if not self.wants(name):
                continue
            if name == "ezkl-tuned":
                self.tune(model, folder, limits)
            tools[name] = create(name, model, folder, limits)
            self.tool(entry, tools[name], limits)
        self.turns(entry, tools)
        for tool in tools.values():
            key = tool.folder / "pk.bin"
            if not self.args.step and key.exists() and key.stat().st_size > KEPT_KEY:
                key.unlink()

    def turns(self, entry, tools):
        """The time of a proof again, of all tools that came to one, in turn."""
        able = {name: tool for name, tool in tools.items()
                if entry[name]["steps"].get("prove", {}).get("status") == "ok"}
        if self.args.step and "turns" not in self.args.step:
            return
        if "verdict" not in able or len(able) < 2:
            return
        of = {name: entry[name]["of"] for name in able}
        if not self.args.force and entry.get("turns", {}).get("of") == of:
            return
        runs = {name: tool.input_to_proof(entry[name]["steps"]) for name, tool in able.items()}
        seconds = turns.measure(runs.pop("verdict"), runs)
        entry["turns"] = {"of": of, "seconds": seconds}
        self.save()
        for name in runs:
            found = turns.ratios(seconds, name)
            say(able[name].model, name, "turns", f"{turns.ratio(seconds, name):.1f} times Verdict's time "
                f"({len(found)} rounds, {min(found):.1f} to {max(found):.1f})")

    def wants(self, name):
        return any(name == t or name.startswith(f"{t}-") for t in self.args.tool or TOOLS)

    def tune(self, model, folder, limits):
        steps = self.args.step
        forced = self.args.force and steps and "tune" in steps
        if (steps and "tune" not in steps) or (current(model) and not forced):
            return
        start = time.monotonic()
        say(model, "ezkl-tuned", "tune", "…")
        entry = tune(model, folder / "tune", limits)
        found = entry["settings"]
        say(model, "ezkl-tuned", "tune", f"{len(entry['tried'])} tries in "
            f"{time.monotonic() - start:.0f} s: {found or entry['message']}")

    def tool(self, entry, tool, limits):
        reason = tool.ready() or hopeless(entry, tool)
        if tool.name == "verdict" and reason:
            raise Failure(reason)
        if reason and self.args.step:
            return
        found = entry.get(tool.name)
        anew = self.args.force and not self.args.step
        if anew or found is None or found["of"] != tool.fingerprint():
            found = entry[tool.name] = {"of": tool.fingerprint(), "steps": {}}
        found["limits"] = {"seconds": limits.seconds, "memory": limits.memory}
        found["message"] = reason
        self.save()
        if reason:
            return
        steps = found["steps"]
        for name, needs in tool.steps.items():
            if self.args.step and name not in self.args.step:
                continue
            if name in steps and not self.args.force:
                continue
            if any(steps.get(need, {}).get("status") != "ok" for need in needs):
                continue
            steps[name] = self.step(tool, name, steps)
            self.save()

    def step(self, tool, name, steps):
        if name == "prove" and tool.name != "verdict" and not (tool.folder / "pk.bin").exists():
            raise Failure("the proving key was removed to save space: "
                          "add --step setup --step prove --force")
        start = time.monotonic()
        say(tool.model, tool.name, name, "…")
        try:
            result = tool.run(name, steps)
        except Failure as failure:
            result = {"status": "failed", "message": str(failure)}
        text = result.get("message") or f"{result.get('wall', time.monotonic() - start):.3f} s"
        say(tool.model, tool.name, name, f"{result['status']}: {text}")
        return result


def create(name, model, folder, limits):
    if name == "verdict":
        return Verdict(model, folder / name, limits)
    return Ezkl(model, name.removeprefix("ezkl-"), folder / name, limits)


def hopeless(entry, tool):
    """Why tuned settings need not be run: the calibrated ones went over a limit with keys or
    proof, and these need no fewer rows."""
    settings = getattr(tool, "settings", None)
    steps = entry.get("ezkl-calibrated", {}).get("steps", {})
    if settings is None or "settings" not in steps:
        return None
    for name in ("setup", "prove"):
        if steps.get(name, {}).get("status") == "limit":
            rows = steps["settings"]["samples"][0]["settings"]["logrows"]
            if settings["logrows"] >= rows:
                return (f"not run: needs 2^{settings['logrows']} rows, and {name} of the calibrated "
                        f"settings with 2^{rows} was {steps[name]['message']}")
    return None


def say(model, tool, step, text):
    if text != "…" or sys.stdout.isatty():
        print(f"{model.name:20} {tool:16} {step:9} {text}", flush=True)


def parse(arguments):
    known = dict.fromkeys(("models", "tune", *VERDICT_STEPS, *EZKL_STEPS, "turns", "report"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="MODEL[,MODEL]", help="these models")
    parser.add_argument("--tool", action="append", choices=("ezkl", *TOOLS))
    parser.add_argument("--step", action="append", choices=tuple(known), metavar="STEP",
                        help=f"these steps: {', '.join(known)}")
    parser.add_argument("--force", action="store_true", help="measure again what is there")
    parser.add_argument("--time-limit", type=float, default=600, metavar="SECONDS",
                        help="for one step (default: 600)")
    parser.add_argument("--memory-limit", type=float, default=round(memory * 0.85, 1),
                        metavar="GIB", help="resident memory of one step (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="the models and what is measured")
    args = parser.parse_args(arguments)
    args.memory_limit = int(args.memory_limit * 2**30)
    return args


def show():
    models = read_json(RESULTS, {"models": {}})["models"]
    for model in SUITE:
        entry = models.get(model.name, {})
        states = ", ".join(f"{name} {report.state(entry.get(name))}" for name in TOOLS)
        print(f"{model.name:20} {states}")


def main(arguments=None):
    args = parse(arguments)
    if args.list:
        show()
        return
    models = select([name for name in (args.only or "").split(",") if name])
    if args.step == ["report"]:
        report.write()
        return
    preflight()
    with lock():
        environment()
        build_models(models, args.force and args.step and "models" in args.step)
        run = Run(args)
        for model in models:
            run.model(model)
    report.write()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except (Failure, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"compare: {error}")
    except KeyboardInterrupt:
        sys.exit("compare: stopped; run it again to go on")
