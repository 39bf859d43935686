"""Finds EZKL settings by hand's rules: python scripts/compare/run.py --step tune

Looks for the settings with the shortest proof among those that keep the output error on
the test inputs within 1e-2, and writes them to tuned.json, with everything tried:

1. Scales: from small to large, the first (the same for inputs and weights) whose largest
   error is within the bound; some are left out as long as it is far from it. EZKL calibrates the lookup range for it; only its own
   arithmetic is run, no proof.
2. The base and number of digits in which EZKL checks ranges, each with the fewest rows
   (a power of two) that hold circuit and tables without splitting columns; the two with
   the fewest are tried.
3. From the best of these, as long as it gets better: half and double the rows, other
   numbers of columns, matrix products without Freivalds' check.

Steps 2 and 3 make real keys and proofs, as far as the circuit is small (2^17 rows at
first sight) and the model's time is not used up. For a larger circuit the rows are set
by the same rule, without a trial: the measured run is the proof.
"""

import math
import time

from common import TUNED, lines_json, read_json, sha256, write_text
from measure import Limits
from tool_ezkl import trial

ERROR = 1e-2
SCALES = tuple(range(5, 15))
# Base and digits of range checks; EZKL's default is the first.
DIGITS = ((16384, 2), (2048, 3), (1024, 3), (512, 3), (128, 4), (64, 5))
# Rows that EZKL's circuits need besides the counted ones (blinding).
RESERVED = 8
# Columns into which a wide table of a function may be split at first.
TABLE_COLUMNS = 4
TRIED_ROWS = 17
# Seconds for one model, and for one trial of it.
BUDGET = 400.0
TRIAL = 60.0


def largest_error(outputs, reference):
    """NaN and missing values count as infinite."""
    worst = 0.0
    for got, wanted in zip(outputs, reference, strict=True):
        if len(got) != len(wanted):
            return math.inf
        for a, b in zip(got, wanted):
            worst = max(worst, abs(a - b) if math.isfinite(a) else math.inf)
    return worst


def rows_for(found):
    """log2 of the rows that hold a circuit in one block of columns, its tables in a few."""
    settings = found["settings"]
    needed = max(found["rows"], found["dynamic"],
                 math.ceil(found["constants"] / settings["num_inner_cols"]),
                 *(high - low for low, high in found["range_checks"]))
    if found["lookups"]:
        low, high = settings["lookup_range"]
        needed = max(needed, (high - low) / TABLE_COLUMNS)
    return max(math.ceil(math.log2(needed + RESERVED)), 6)


def stride(error):
    """How far the next scale to look at is: an error about halves with each."""
    if not math.isfinite(error):
        return 1
    return max(1, math.floor(math.log2(error / ERROR)) - 1)


class Tuner:
    """`attempt(kind, settings, calibrate)` gives (what was found, None) or (None, why not)."""

    def __init__(self, attempt, reference, *, budget=BUDGET, clock=time.monotonic):
        self.attempt, self.reference = attempt, reference
        self.clock, self.end = clock, clock() + budget
        self.tried, self.best = [], None

    def over(self):
        return self.clock() > self.end

    def probe(self, settings, calibrate=None):
        found, message = self.attempt("probe", settings, calibrate)
        entry = {"settings": found["settings"] if found else settings}
        if found:
            entry["error"] = largest_error(found["outputs"], self.reference)
            entry["rows"] = found["rows"]
        else:
            entry["message"] = message
        self.tried.append(entry)
        return found, entry

    def prove(self, settings):
        """Tries keys and a proof; keeps the settings if they are the best so far."""
        seen = any(entry["settings"] == settings and entry.get("trial") for entry in self.tried)
        if seen or self.over():
            return
        found, message = self.attempt("trial", settings, None)
        entry = {"settings": settings, "trial": True}
        self.tried.append(entry)
        if not found:
            entry["message"] = message
            return
        entry["error"] = largest_error(found["outputs"], self.reference)
        entry["prove_seconds"] = found["parts"]["prove"]
        better = self.best is None or entry["prove_seconds"] < self.best["prove_seconds"]
        if entry["error"] <= ERROR and better:
            self.best = entry

    def scale(self):
        """The first scale seen that is exact enough, calibrated."""
        scale = SCALES[0]
        while scale <= SCALES[-1] and not self.over():
            wanted = {"input_scale": scale, "param_scale": scale}
            found, entry = self.probe(wanted, {"scales": [scale], "scale_rebase_multiplier": [1]})
            if found and entry["error"] <= ERROR:
                return found
            reasons = [attempt.get("message") for attempt in self.tried[-2:]]
            if len(reasons) == 2 and reasons[0] and reasons[0] == reasons[1]:
                break  # the reason is not the scale
            scale += stride(entry.get("error", math.inf))
        return None

    def variants(self, base):
        """Settings for the two best ways to check ranges, fewest rows first."""
        fit = []
        for digits, legs in DIGITS:
            changed = {**base, "decomp_base": digits, "decomp_legs": legs}
            found, entry = self.probe(changed)
            if found and entry["error"] <= ERROR:
                fit.append((rows_for(found), found["rows"], {**changed,
                                                             "logrows": rows_for(found)}))
        return [settings for _, _, settings in sorted(fit, key=lambda item: item[:2])[:2]]

    def around(self, settings):
        """What to try near good settings."""
        rows, columns = settings["logrows"], settings["num_inner_cols"]
        yield {**settings, "logrows": rows - 1}
        yield {**settings, "logrows": rows + 1}
        yield {**settings, "num_inner_cols": columns * 2, "logrows": rows - 1}
        yield {**settings, "num_inner_cols": 1, "logrows": rows + 1}
        yield {**settings, "disable_freivalds": True}

    def run(self):
        """The entry for tuned.json."""
        found = self.scale()
        if found is None:
            errors = [entry["error"] for entry in self.tried if "error" in entry]
            reasons = [entry["message"] for entry in self.tried if "message" in entry]
            scales = [entry["settings"]["input_scale"] for entry in self.tried]
            which = (f"none of the scales tried in the time given ({', '.join(map(str, scales))})"
                     if self.over() else f"no scale of {SCALES[0]} to {SCALES[-1]}")
            text = (f"{which} keeps the error within {ERROR:g}: "
                    f"the smallest seen is {min(errors):.2g}" if errors else reasons[-1]
                    if reasons else "no time to try anything")
            return {"settings": None, "message": text, "tried": self.tried}
        rows = rows_for(found)
        if rows > TRIED_ROWS:
            settings = {**found["settings"], "logrows": rows}
            return {"settings": settings, "proved": False, "tried": self.tried}
        for settings in self.variants(found["settings"]):
            self.prove(settings)
        previous = None
        while self.best is not None and self.best is not previous and not self.over():
            previous = self.best
            for settings in self.around(previous["settings"]):
                self.prove(settings)
        if self.best is None:
            return {"settings": None, "message": self.tried[-1].get("message", "no time left"),
                    "tried": self.tried}
        return {"settings": self.best["settings"], "proved": True,
                "error": self.best["error"], "tried": self.tried}


def tune(model, folder, limits):
    """Tunes one model and writes its entry."""
    def attempt(kind, settings, calibrate):
        left = max(tuner.end - time.monotonic(), 10.0)
        seconds = min(limits.seconds, left, TRIAL if kind == "trial" else left)
        bound = Limits(seconds, limits.memory)
        return trial(model, folder, settings, bound, kind=kind, calibrate=calibrate)

    budget = min(BUDGET, limits.seconds)
    tuner = Tuner(attempt, model.read()["outputs"], budget=budget)
    entry = {"model": model.read()["sha256"], **tuner.run()}
    table = read_json(TUNED, {})
    write_text(TUNED, lines_json({**table, model.name: entry}, 3) + "\n")
    (folder / "pk.bin").unlink(missing_ok=True)
    return entry


def current(model):
    """Whether tuned.json has the entry of just this model file."""
    return read_json(TUNED, {}).get(model.name, {}).get("model") == sha256(model.onnx)
