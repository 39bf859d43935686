"""Writes docs/benchmarks.md, its JSON file and its plots from what was measured."""

import math

import plots
from common import DOCS, RESULTS, ROOT, TUNED, Failure, lines_json, read_json, write_text
from figures import EZKL, TOOLS, failure, geometric_mean, ratios, row, state
from suite import SUITE

__all__ = ["state", "write"]
PAGE = DOCS / "benchmarks.md"
FOLDER = DOCS / "benchmarks"
TEXT = ROOT / "scripts" / "compare" / "report.md"
PLOTS = (
    ("time", "Seconds from an input to its proof", "prove_seconds"),
    ("memory", "Peak memory of the proof's process", "prove_bytes"),
    ("gas", "Gas of the verifying transaction", "verify_gas"),
)


def duration(value):
    if value is None:
        return "–"
    if value < 0.0995:
        return f"{value * 1000:.3g} ms"
    return f"{value:.2f} s" if value < 9.995 else f"{value:,.0f} s"


def size(value):
    if value is None:
        return "–"
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.3g} {unit}" if unit != "B" else f"{value:.0f} B"
        value /= 1000
    return f"{value:.3g} GB"


def count(value):
    return "–" if value is None else f"{value:,.0f}"


def small(value):
    if value is None:
        return "–"
    return "not finite" if math.isinf(value) else f"{value:.1e}" if value else "0"


def times(value):
    if value is None:
        return "–"
    return f"{value:,.0f}×" if value >= 9.95 else f"{value:.2g}×"


def table(head, lines, text=1):
    """A Markdown table; the first columns are text, the others are numbers."""
    rule = ["---"] * text + ["---:"] * (len(head) - text)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def cell(text):
    return text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;").replace("\n", " ")


def per_tool(rows, titles, columns):
    """One line for each model and tool that got to a figure."""
    lines = []
    for name, tools in rows.items():
        for tool, title in TOOLS.items():
            figures = tools[tool]
            if any(figures[key] is not None for key, _, _ in columns):
                lines.append([titles[name], title, *(show(figures[key])
                                                     for key, _, show in columns)])
    return table(["model", "tool", *(head for _, head, _ in columns)], lines, 2)


def summary(rows):
    """Geometric means of the ratios."""
    lines = []
    for key, words in (("prove_seconds", "time from input to proof"),
                       ("setup_seconds", "time of key generation"),
                       ("verify_seconds", "time of verification"),
                       ("prove_bytes", "peak memory of the proof"),
                       ("pk_bytes", "size of what the prover keeps"),
                       ("verify_gas", "gas of the verifying transaction"),
                       ("runtime_bytes", "size of the verifier contract")):
        line = [words]
        for other in (*EZKL, None):
            found = ratios(rows, other, key)
            mean = geometric_mean(found.values())
            line.append(f"{times(mean)} ({len(found)})")
        lines.append(line)
    return table(["EZKL : Verdict, geometric mean (models)", "calibrated", "tuned",
                  "smaller of both"], lines)


def overview(rows, titles, models):
    lines = []
    for name, tools in rows.items():
        line = [titles[name], count(models[name]["parameters"])]
        for tool in TOOLS:
            figures = tools[tool]
            time = figures["prove_seconds"]
            line.append(duration(time) if time is not None else figures["state"])
        for other in EZKL:
            line.append(times(ratios({name: tools}, other, "prove_seconds").get(name)))
        lines.append(line)
    return table(["model", "parameters", *TOOLS.values(), "calibrated : Verdict",
                  "tuned : Verdict"], lines)


def settings(models, titles):
    lines = []
    for name, model in models.items():
        for tool in EZKL:
            steps = model.get(tool, {}).get("steps", {})
            if steps.get("settings", {}).get("status") != "ok":
                continue
            found = steps["settings"]["samples"][0]
            used = found["settings"]
            low, high = used["lookup_range"]
            lines.append([titles[name], TOOLS[tool], f"{used['input_scale']}, "
                          f"{used['param_scale']}", str(used["logrows"]),
                          str(used["num_inner_cols"]),
                          f"{used['decomp_base']}, {used['decomp_legs']}",
                          f"{low} … {high}", "no" if used["disable_freivalds"] else "yes",
                          count(found["rows"])])
    return table(["model", "variant", "scales (input, weights)", "logrows", "inner columns",
                  "range check (base, digits)", "lookup range", "Freivalds", "rows counted"],
                 lines, 2)


def failures(models, titles):
    lines = []
    for name, model in models.items():
        for tool, title in TOOLS.items():
            found = failure(model.get(tool))
            if found:
                step, status, message = found
                what = "not yet" if status == "refused" else f"{step}: {status}"
                lines.append([titles[name], title, what, cell(message)])
    return table(["model", "tool", "what", "message"], lines, 4) if lines else "None."


def over_limit(rows, titles):
    names = [f"{titles[name]} ({TOOLS[tool]})" for name, tools in rows.items()
             for tool in TOOLS if tools[tool]["over_limit"]]
    return ", ".join(names) or "none"


def tried(titles):
    """A line on each tuned model: how much was tried and what came of it."""
    lines = []
    for name, entry in read_json(TUNED, {}).items():
        if name not in titles:
            continue
        trials = [attempt for attempt in entry["tried"] if attempt.get("trial")]
        failed = sum("message" in attempt for attempt in entry["tried"])
        what = ("by a trial" if entry.get("proved") else "by the rule, without a trial"
                if entry["settings"] else cell(entry["message"]))
        lines.append([titles[name], str(len(entry["tried"])), str(len(trials)), str(failed), what])
    return table(["model", "settings tried", "of them proved", "failed", "chosen"], lines)


def bars(rows, titles, key, models):
    groups = {}
    for name, tools in rows.items():
        values = [tools[tool][key] or (None, short(models[name].get(tool))) for tool in TOOLS]
        if any(isinstance(value, (int, float)) for value in values):
            groups[titles[name]] = values
    return groups


def short(tool):
    found = failure(tool)
    if not found:
        return "not measured"
    step, status, message = found
    if status == "limit":
        return f"{step}: over the {'memory' if 'memory' in message else 'time'} limit"
    return "not yet" if status == "refused" else f"fails in {step}"


def write():
    results = read_json(RESULTS)
    if results is None:
        raise Failure(f"{RESULTS.relative_to(ROOT)} is missing: nothing was measured yet")
    order = [model.name for model in SUITE if model.name in results["models"]]
    models = {name: results["models"][name] for name in order}
    titles = {name: models[name]["title"] for name in order}
    rows = {name: {tool: row(models[name], tool) for tool in TOOLS} for name in order}
    labels = {"prove_seconds": duration, "prove_bytes": size, "verify_gas": count}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, title, key in PLOTS:
        drawn = plots.chart(title, list(TOOLS.values()), bars(rows, titles, key, models),
                            labels[key])
        if drawn:
            write_text(FOLDER / f"{file}.svg", drawn)
    write_text(FOLDER / "results.json", lines_json({**results, "figures": rows}, 4) + "\n")
    write_text(PAGE, page(results, rows, models, titles))
    print(f"wrote {PAGE.relative_to(ROOT)}")


def page(results, rows, models, titles):
    machine, limits = results["machine"], results["limits"]
    values = {
        "machine": f"{machine['cpu']}, {machine['cores']} cores, "
                   f"{machine['memory'] / 2**30:.0f} GiB, {machine['system']}, "
                   f"Linux {machine['kernel']}",
        "versions": ", ".join(f"{k} {v}" for k, v in results.get("versions", {}).items()),
        "limits": f"{limits['seconds']:.0f} s and {limits['memory'] / 2**30:.1f} GiB",
        "summary": summary(rows),
        "overview": overview(rows, titles, models),
        "times": per_tool(rows, titles, (
            ("setup_seconds", "key generation", duration), ("witness_seconds", "witness", duration),
            ("prove_seconds", "input to proof", duration),
            ("verify_seconds", "verification", duration))),
        "memory": per_tool(rows, titles, (
            ("setup_bytes", "key generation", size), ("prove_bytes", "proof", size),
            ("verify_bytes", "verification", size), ("pk_bytes", "proving key", size),
            ("proof_bytes", "proof size", count))),
        "gas": per_tool(rows, titles, (
            ("verify_gas", "verification", count), ("oracle_gas", "through the oracle", count),
            ("deploy_gas", "deploy verifier", count), ("key_gas", "deploy key", count),
            ("runtime_bytes", "verifier bytes", count))),
        "errors": per_tool(rows, titles, (
            ("largest_error", "largest", small), ("mean_error", "mean", small),
            ("error_inputs", "inputs", count))),
        "over_limit": over_limit(rows, titles),
        "settings": settings(models, titles),
        "tried": tried(titles),
        "failures": failures(models, titles),
    }
    text = TEXT.read_text()
    for name, content in values.items():
        text = text.replace("{{" + name + "}}", content)
    return text
