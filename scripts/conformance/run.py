"""Runs the standard's own operator tests and writes what came of them into docs/operators.md.

    make conformance
    python scripts/conformance/run.py [--only NAME] [--sample]

Every case in scope is read, quantized and run in integers; its circuit is checked where it has at
most 2^14 rows. --sample keeps one passed case of every operator for the tests that need no Python.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx

import cases

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "conformance"
DOCS = ROOT / "docs/operators.md"
FIXTURES = ROOT / "crates/prover/tests/fixtures/conformance"
BEGIN, END = "<!-- conformance: begin -->", "<!-- conformance: end -->"
# What is known to differ, and why.
KNOWN = {
    "test_dynamicquantizelinear": "-2.5 / scale is exactly halfway between two integers, where float32's rounding of the scale decides",
}
# Largest model and inputs of a case that is kept.
LARGEST_SAMPLE = 16_000


def run(only, largest):
    """The outcome of every case, by name, its operator, and what is out of scope."""
    folder = WORK / "cases"
    shutil.rmtree(folder, ignore_errors=True)
    outside, operators = cases.write(folder, only)
    program = TARGET / "release/examples/conformance"
    made = subprocess.run([program, folder, str(largest)], check=True, stdout=subprocess.PIPE, text=True)
    outcomes = {}
    for line in made.stdout.splitlines():
        outcome = json.loads(line)
        if outcome["outcome"] == "failed" and outcome["case"] in KNOWN:
            outcome |= {"outcome": "differs", "detail": KNOWN[outcome["case"]]}
        outcomes[outcome["case"]] = outcome
    return outcomes, operators, outside


def reason(detail):
    """Why a case is refused, without the names and numbers of its own."""
    detail = re.sub(r"operator \S+ \(node [^)]*\) is not supported: ", "", detail)
    detail = re.sub(r"(node|layer|tensor) \S+", r"a \1", detail)
    return detail.replace("|", "\\|")[:110]


def table(outcomes, operators, outside):
    """The section of the page."""
    by = collections.defaultdict(list)
    for name, operator in operators.items():
        by[operator].append(outcomes[name])
    count = lambda rows, what: sum(row["outcome"] == what for row in rows)
    everything = list(outcomes.values())
    total, passed = len(everything), count(everything, "passed")
    circuits = sum(row["circuit"] for row in everything)
    constant = sum(row["outcome"] == "passed" and not row["kept"] for row in everything)
    lines = [
        BEGIN,
        "",
        f"onnx {onnx.__version__} has {total + sum(map(len, outside.values()))} operator tests. Out of scope: "
        + ", ".join(f"{kind} ({len(names)})" for kind, names in sorted(outside.items())) + ".",
        f"Of the {total} others, **{passed} pass ({100 * passed / total:.0f} %)**, "
        f"{count(everything, 'refused')} are refused with a reason, {count(everything, 'differs')} differs as its reason "
        f"says, {count(everything, 'failed')} fail, "
        f"{count(everything, 'panicked')} panic. {circuits} circuits were checked by halo2's mock prover. "
        f"{constant} of those that pass have constants only, which are computed while reading. "
        f"{cases.WITHOUT} cases are casts of NaN and infinities among other numbers: neither can be an input or a result "
        "of a proof, and the cases are run without these elements.",
        "",
        "| operator | passed | refused | failed | the first reason |",
        "|---|---|---|---|---|",
    ]
    for operator, rows in sorted(by.items()):
        why = next((reason(row["detail"]) for row in rows if row["outcome"] != "passed"), "")
        failed = count(rows, "failed") + count(rows, "panicked") + count(rows, "differs")
        lines.append(
            f"| {operator} | {count(rows, 'passed')} | {count(rows, 'refused')} | {failed} | {why} |")
    return "\n".join([*lines, "", END])


def write(section):
    text = DOCS.read_text()
    if BEGIN in text:
        before, rest = text.split(BEGIN, 1)
        text = before + section + rest.split(END, 1)[1]
    else:
        text = text.rstrip() + "\n\n## The standard's operator tests\n\n`make conformance` writes this section.\n\n"
        text += section + "\n"
    DOCS.write_text(text)


def sample(outcomes, operators):
    """Keeps the smallest passed case of every operator, some of whose inputs are not constants."""
    shutil.rmtree(FIXTURES, ignore_errors=True)
    FIXTURES.mkdir(parents=True)
    kept = {}
    for name, operator in sorted(operators.items()):
        outcome = outcomes[name]
        if outcome["outcome"] != "passed" or not outcome["kept"] or "_expanded" in name:
            continue
        home = WORK / "cases" / name
        listed = json.loads((home / "case.json").read_text())
        variant = next(v for v in listed if v["kept"] == outcome["kept"])
        size = len(json.dumps(variant)) + (home / variant["model"]).stat().st_size
        if size <= LARGEST_SAMPLE and (operator not in kept or size < kept[operator][0]):
            kept[operator] = (size, home, variant)
    cases_of = {}
    for operator, (_, home, variant) in sorted(kept.items()):
        file = f"{operator}.onnx"
        shutil.copy(home / variant["model"], FIXTURES / file)
        cases_of[operator] = {**variant, "model": file}
    (FIXTURES / "cases.json").write_text(json.dumps(cases_of, indent=None, separators=(",", ":")) + "\n")
    return len(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="cases whose name has this in it; writes nothing")
    parser.add_argument("--largest", type=int, default=14, help="rows of circuits to check, as 2^k")
    parser.add_argument("--sample", action="store_true", help="keep a case of every operator")
    arguments = parser.parse_args()
    outcomes, operators, outside = run(arguments.only, arguments.largest)
    counts = collections.Counter(outcome["outcome"] for outcome in outcomes.values())
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    bad = [o for o in outcomes.values() if o["outcome"] in ("failed", "panicked")]
    for outcome in bad:
        print(f"{outcome['case']} {outcome['outcome']}: {outcome['detail']}")
    if arguments.only:
        return 1 if bad else 0
    write(table(outcomes, operators, outside))
    if arguments.sample:
        print(f"{sample(outcomes, operators)} operators kept")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
