"""Figures out of results.json: what the tables and plots show, without their words."""

import math
import statistics

import turns
from tune import largest_error

TOOLS = {"verdict": "Verdict", "ezkl-calibrated": "EZKL, calibrated", "ezkl-tuned": "EZKL, tuned"}

EZKL = ("ezkl-calibrated", "ezkl-tuned")


def state(tool):
    """One word for a tool's run of a model."""
    if not tool:
        return "not measured"
    if tool.get("message"):
        return "not run" if tool["message"].startswith("not run") else "no settings"
    steps = tool["steps"]
    for name, step in steps.items():
        if step["status"] != "ok":
            return {"refused": "not yet"}.get(step["status"], f"{step['status']} in {name}")
    return "done" if "chain" in steps else "under way" if steps else "not measured"


def failure(tool):
    """(step, status, message) of the first step that did not end well, or None."""
    if not tool:
        return None
    if tool.get("message"):
        return "settings", "failed", tool["message"]
    for name, step in tool["steps"].items():
        if step["status"] != "ok":
            return name, step["status"], step["message"]
    return None


def good(tool, step):
    """A step's result if it went well."""
    found = (tool or {}).get("steps", {}).get(step)
    return found if found and found["status"] == "ok" else None


def seconds(tool, step):
    """EZKL: of the library call alone, without Python's start. Verdict: of the process."""
    found = good(tool, step)
    return found.get("library", found.get("wall")) if found else None


def proving(tool, taken=()):
    """Seconds from the input to the proof: EZKL's witness and proof, Verdict's one step; the
    median of those that were run in turn where there are any."""
    if taken:
        return statistics.median(taken)
    prove = seconds(tool, "prove")
    if prove is None or "witness" not in tool["steps"]:
        return prove
    return prove + seconds(tool, "witness")


def in_turn(model):
    """Lists of seconds of the tools that were run in turn, if they still are those measured."""
    found = model.get("turns", {"of": {}})
    current = all(model.get(name, {}).get("of") == of for name, of in found["of"].items())
    return found["seconds"] if found["of"] and current else {}


def peak(tool, step):
    found = good(tool, step)
    return found["peak_bytes"] if found else None


def sample(tool, step, name):
    """A value that every run of a step has in common."""
    found = good(tool, step)
    return found["samples"][0].get(name) if found and found.get("samples") else None


def value(tool, step, name):
    found = good(tool, step)
    return found.get(name) if found else None


def errors(model, tool):
    """(largest, mean, inputs) of the output error against onnxruntime, or None."""
    step = good(tool, "errors")
    if step:
        outputs = step["samples"][0]["outputs"]
    elif good(tool, "prove") and sample(tool, "prove", "outputs"):
        outputs = [run["outputs"] for run in tool["steps"]["prove"]["samples"]]
    else:
        return None
    reference = model["reference"][:len(outputs)]
    pairs = [(a, b) for got, wanted in zip(outputs, reference) for a, b in zip(got, wanted)]
    return (largest_error(outputs, reference),
            statistics.fmean(abs(a - b) for a, b in pairs), len(outputs))


def row(model, name):
    """Everything about one model and tool, None where it was not reached."""
    tool = model.get(name)
    setup = good(tool, "setup")
    pk = sample(tool, "setup", "pk_bytes") or (setup or {}).get("pk_bytes")
    found = errors(model, tool)
    return {
        "state": state(tool),
        "setup_seconds": seconds(tool, "setup"),
        "witness_seconds": seconds(tool, "witness") if name != "verdict" else None,
        "prove_seconds": proving(tool, in_turn(model).get(name)),
        "prove_ratio": turns.ratio(in_turn(model), name) if name != "verdict" else None,
        "verify_seconds": seconds(tool, "verify"),
        "setup_bytes": peak(tool, "setup"),
        "prove_bytes": peak(tool, "prove"),
        "verify_bytes": peak(tool, "verify"),
        "pk_bytes": pk,
        "proof_bytes": sample(tool, "prove", "proof_bytes"),
        "verify_gas": value(tool, "chain", "verify_gas"),
        "oracle_gas": value(tool, "chain", "oracle_gas"),
        "deploy_gas": deployment(tool),
        "key_gas": (value(tool, "chain", "deploy") or {}).get("deploy the key"),
        "runtime_bytes": value(tool, "chain", "runtime_bytes"),
        "over_limit": value(tool, "chain", "over_limit"),
        "largest_error": found[0] if found else None,
        "mean_error": found[1] if found else None,
        "error_inputs": found[2] if found else None,
    }


def deployment(tool):
    """Gas of the verifier; Verdict's is deployed once for each shape."""
    steps = value(tool, "chain", "deploy")
    return steps.get("deploy the shape's verifier") if steps else value(tool, "chain",
                                                                       "deploy_gas")


def ratios(rows, other, name):
    """EZKL's value over Verdict's, for each model where both have one; of the smaller of its
    two values if `other` is None. A ratio measured in turn stands before that of two values."""
    found = {}
    for model, tools in rows.items():
        ours = tools["verdict"][name]
        theirs = [ratio(tools[tool], name, ours) for tool in ([other] if other else EZKL)
                  if ours and tools[tool][name]]
        if theirs:
            found[model] = min(theirs)
    return found


def ratio(row, name, ours):
    in_turn = row.get("prove_ratio") if name == "prove_seconds" else None
    return in_turn or row[name] / ours


def geometric_mean(values):
    values = list(values)
    return math.exp(statistics.fmean(map(math.log, values))) if values else None
