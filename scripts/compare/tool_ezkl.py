"""EZKL's side: each step a process, its verifier on a local chain."""

import srs
from chain import CODE_LIMIT, anvil, compile_solidity, encode, gas
from common import HERE, HOME, TUNED, VENV, Failure, read_json, write_json
from measure import once, outcome, step, well

VERSION = "23.0.5"
# What each step takes up from another.
STEPS = {
    "settings": (),
    "compile": ("settings",),
    "errors": ("compile",),
    "srs": ("compile",),
    "witness": ("compile",),
    "setup": ("srs",),
    "prove": ("setup", "witness"),
    "verify": ("prove",),
    "solidity": ("prove",),
    "chain": ("solidity",),
}
# The Solidity optimizer as EZKL's deploy_evm runs it.
OPTIMIZER_RUNS = 200
EVM = "shanghai"


class Ezkl:
    """One model with one variant: `calibrated` or `tuned`."""

    steps = STEPS

    def __init__(self, model, variant, folder, limits):
        self.model, self.variant = model, variant
        self.folder, self.limits = folder, limits
        self.settings = None
        if variant == "tuned":
            self.settings = read_json(TUNED, {}).get(model.name, {}).get("settings")

    @property
    def name(self):
        return f"ezkl-{self.variant}"

    def fingerprint(self):
        """What the figures depend on besides the machine."""
        return [VERSION, self.model.read()["sha256"], self.settings]

    def ready(self):
        """A reason why nothing can be measured, or None."""
        if self.variant == "tuned" and self.settings is None:
            entry = read_json(TUNED, {}).get(self.model.name)
            return entry["message"] if entry else "not tuned yet: run the step `tune`"
        return None

    def run(self, name, found):
        """Runs a step; `found` has the earlier steps' results."""
        if name == "chain":
            return self.chain()
        job = self.job(found)
        if name == "srs":
            return self.srs(job, found)
        once_only = name in ("errors", "settings", "compile", "solidity")
        return step(self.command(name, job), self.folder, self.limits, collect=self.collect,
                    repeat=not once_only)

    def command(self, name, job):
        write_json(self.folder / "job.json", job, indent=None)
        program = [VENV / "bin" / "python", HERE / "ezkl_steps.py", name,
                   self.folder / "job.json"]
        # Every run proves the same input, so that the witness stays the one on file.
        return lambda index: [*program, 0]

    def input_to_proof(self, found):
        """A function of a run's index that makes one more witness and its proof, and gives
        the seconds of the library calls."""
        commands = {name: self.command(name, self.job(found)) for name in ("witness", "prove")}

        def run(index):
            seconds = 0.0
            for name, command in commands.items():
                well(once(command(index), self.folder, self.limits), self.limits,
                     f"{self.name}: {name}")
                seconds += read_json(self.folder / "step.json")["library"]
            return seconds

        return run

    def collect(self, _, usage):
        return read_json(self.folder / "step.json")

    def job(self, found):
        data = self.model.read()
        job = {"model": str(self.model.onnx), "settings": self.settings,
               **{name: data[name] for name in ("symbols", "inputs", "calibration")}}
        if found.get("settings", {}).get("status") == "ok":
            job["logrows"] = found["settings"]["samples"][0]["settings"]["logrows"]
            job["srs"] = str(srs.path(job["logrows"]))
        return job

    def srs(self, job, found):
        """gen_srs where it is small and not there yet; see srs.py."""
        k = job["logrows"]
        timing = srs.path(k).with_suffix(".json")
        if srs.path(k).exists():
            return read_json(timing, {"status": "ok", "made_by": "verdict srs dev", "k": k})
        if k > srs.GENERATED:
            try:
                srs.from_verdict(k, self.limits.seconds)
            except Failure as failure:
                return {"status": "failed", "message": str(failure)}
            return {"status": "ok", "made_by": "verdict srs dev", "k": k}
        srs.SRS.mkdir(parents=True, exist_ok=True)
        partial = str(srs.path(k)) + ".part"
        result = step(self.command("srs", {**job, "srs": partial}), self.folder, self.limits,
                      collect=self.collect, repeat=False)
        if result["status"] == "ok":
            srs.path(k).with_suffix(".srs.part").replace(srs.path(k))
            result |= {"made_by": "gen_srs", "k": k}
            write_json(timing, result)
        return result

    def chain(self):
        """Deploys the verifier and verifies the proof in a transaction."""
        source = (self.folder / "Verifier.sol").read_text()
        compiled = compile_solidity(source, OPTIMIZER_RUNS, EVM)
        contract = compiled["Halo2Verifier"]
        selector = contract["methods"]["verifyProof(bytes,uint256[])"]
        proof, outputs = read_proof(self.folder / "proof.json")
        calldata = encode(selector, proof, outputs)
        wrong = encode(selector, proof, [*outputs[:-1], outputs[-1] ^ 1])
        over = len(contract["runtime"]) > CODE_LIMIT
        with anvil(self.folder / "anvil.log", unlimited=over) as chain:
            address, deployment = chain.deploy(contract["code"], "EZKL's verifier")
            receipt = chain.send(address, calldata, "EZKL's verifyProof")
            answer, refused = chain.call(address, calldata), chain.call(address, wrong)
            if answer is None or int.from_bytes(answer, "big") != 1:
                raise Failure("EZKL's verifier did not answer with true")
            if refused is not None and int.from_bytes(refused, "big") != 0:
                raise Failure("EZKL's verifier accepted a changed output")
            return {"status": "ok", "verify_gas": gas(receipt), "deploy_gas": deployment,
                    "runtime_bytes": chain.size(address), "over_limit": over,
                    "calldata_bytes": len(calldata)}


def read_proof(path):
    """(proof bytes, public values) of EZKL's file; its words are little-endian."""
    content = read_json(path)
    words = [word for instance in content["instances"] for word in instance]
    return (bytes(content["proof"]),
            [int.from_bytes(bytes.fromhex(word), "little") for word in words])


def trial(model, folder, settings, limits, *, kind="trial", calibrate=None):
    """Tries settings for tuning: (what was found, None) or (None, message)."""
    data = model.read()
    job = {"model": str(model.onnx), "settings": settings,
           **{name: data[name] for name in ("symbols", "inputs", "calibration")}}
    if calibrate is not None:
        job["calibrate"] = calibrate
    if kind == "trial":
        k = settings["logrows"]
        if not srs.path(k).exists():
            srs.from_verdict(k, limits.seconds)
        job["srs"] = str(srs.path(k))
    write_json(folder / "job.json", job, indent=None)
    usage = once([VENV / "bin" / "python", HERE / "ezkl_steps.py", kind, folder / "job.json"],
                 folder, limits)
    status, message = outcome(usage, limits)
    if status != "ok":
        return None, message
    return read_json(folder / "step.json"), None
