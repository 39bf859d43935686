"""One step of EZKL in a process of its own: python ezkl_steps.py STEP JOB [INDEX]

JOB is a JSON file: `model`, `symbols` (batch dimensions without a number), `inputs`,
`calibration`, `settings` (run arguments, or null to calibrate as EZKL's documentation
does) and `srs`. Files of the steps stand beside it; step.json gets what the step found
out, with `library`, the seconds of EZKL's own calls. Input private, output public,
weights fixed in the key.
"""

import asyncio
import inspect
import json
import os
import sys
import time
from pathlib import Path

VISIBILITY = {"input_visibility": "private", "output_visibility": "public",
              "param_visibility": "fixed"}


class Steps:
    def __init__(self, job, index):
        import ezkl

        self.ezkl, self.index, self.seconds = ezkl, index, 0.0
        self.job = json.loads(Path(job).read_text())
        self.folder = Path(job).resolve().parent

    def path(self, name):
        return str(self.folder / name)

    def call(self, function, *arguments, **options):
        """Calls EZKL and adds to the time; some of its functions want an event loop."""
        async def wait():
            result = function(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        start = time.perf_counter()
        try:
            result = asyncio.run(wait())
        finally:
            self.seconds += time.perf_counter() - start
        if result is False:
            raise RuntimeError(f"{function.__name__} returned False")
        return result

    def data(self, name, rows):
        """Rows as EZKL wants them: one list, the rows one after another."""
        Path(self.path(name)).write_text(json.dumps({"input_data": [sum(rows, [])]}))
        return self.path(name)

    def read_settings(self):
        return json.loads(Path(self.path("settings.json")).read_text())

    def settings(self):
        """gen_settings and, unless settings are given, calibrate_settings."""
        arguments = self.ezkl.PyRunArgs()
        given = self.job["settings"] or {}
        symbols = [(symbol, 1) for symbol in self.job["symbols"]]
        for name, value in {**VISIBILITY, **given}.items():
            setattr(arguments, name, tuple(value) if isinstance(value, list) else value)
        if symbols:
            arguments.variables = symbols
        model, output = self.job["model"], self.path("settings.json")
        self.call(self.ezkl.gen_settings, model, output, py_run_args=arguments)
        if not given or "calibrate" in self.job:
            data = self.data("calibration.json", self.job["calibration"])
            self.call(self.ezkl.calibrate_settings, data, model, output, "resources",
                      **self.job.get("calibrate", {}))
        found = self.read_settings()
        return {"settings": {name: found["run_args"][name] for name in (
                    "input_scale", "param_scale", "scale_rebase_multiplier", "lookup_range",
                    "logrows", "num_inner_cols", "decomp_base", "decomp_legs",
                    "disable_freivalds")},
                "rows": found["num_rows"], "assignments": found["total_assignments"],
                "lookups": len(found["required_lookups"]),
                "range_checks": found["required_range_checks"],
                "dynamic": found["total_dynamic_col_size"],
                "constants": found["total_const_size"]}

    def compile(self):
        self.call(self.ezkl.compile_circuit, self.job["model"], self.path("circuit.bin"),
                  self.path("settings.json"))
        return {"circuit_bytes": os.path.getsize(self.path("circuit.bin"))}

    def srs(self):
        self.call(self.ezkl.gen_srs, self.job["srs"], self.job["logrows"])
        return {}

    def witness(self, row=None, name="witness.json"):
        row = self.job["inputs"][self.index] if row is None else row
        data = self.data(f"input-{name}", [row])
        output = self.path(name)
        self.call(self.ezkl.gen_witness, data, self.path("circuit.bin"), output)
        pretty = json.loads(Path(output).read_text())["pretty_elements"]
        return {"outputs": [float(value) for value in pretty["rescaled_outputs"][0]]}

    def errors(self):
        """Outputs for every test input."""
        rows = self.job["inputs"]
        return {"outputs": [self.witness(row, "other.json")["outputs"] for row in rows]}

    def setup(self):
        self.call(self.ezkl.setup, self.path("circuit.bin"), self.path("vk.bin"),
                  self.path("pk.bin"), srs_path=self.job["srs"])
        return {"pk_bytes": os.path.getsize(self.path("pk.bin")),
                "vk_bytes": os.path.getsize(self.path("vk.bin"))}

    def prove(self):
        self.call(self.ezkl.prove, self.path("witness.json"), self.path("circuit.bin"),
                  self.path("pk.bin"), proof_path=self.path("proof.json"),
                  srs_path=self.job["srs"])
        proof = json.loads(Path(self.path("proof.json")).read_text())
        return {"proof_bytes": len(proof["proof"])}

    def verify(self):
        self.call(self.ezkl.verify, self.path("proof.json"), self.path("settings.json"),
                  self.path("vk.bin"), srs_path=self.job["srs"])
        return {}

    def solidity(self):
        """The verifier's source. EZKL then compiles it for its ABI, which needs a compiler
        from the internet; the source is there without it, so only its lack is a failure."""
        source = Path(self.path("Verifier.sol"))
        source.unlink(missing_ok=True)
        try:
            self.call(self.ezkl.create_evm_verifier, self.path("vk.bin"),
                      self.path("settings.json"), str(source), self.path("abi.json"),
                      srs_path=self.job["srs"], reusable=False)
        except RuntimeError:
            if not source.exists():
                raise
        return {"source_bytes": source.stat().st_size}

    def probe(self):
        """Settings, circuit and outputs: what tuning looks at before it proves."""
        return {**self.settings(), **self.compile(), **self.errors()}

    def trial(self):
        """Everything up to a verified proof, with the seconds of each part."""
        found, parts = self.probe(), {}
        self.witness()
        for name in ("setup", "prove", "verify"):
            before = self.seconds
            found.update(getattr(self, name)())
            parts[name] = round(self.seconds - before, 3)
        return {**found, "parts": parts}


def main():
    name, job, *index = sys.argv[1:]
    report = Path(job).resolve().parent / "step.json"
    report.unlink(missing_ok=True)
    try:
        steps = Steps(job, int(index[0]) if index else 0)
        found = getattr(steps, name)()
    except BaseException as error:  # a panic in EZKL is no Exception
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    report.write_text(json.dumps({"library": round(steps.seconds, 4), **found}))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # EZKL's background threads sometimes abort while Python shuts down: leave without that.
    os._exit(code)
