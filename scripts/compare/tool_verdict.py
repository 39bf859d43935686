"""Verdict's side: the command line with default settings, each step a process."""

import contextlib
import json

from chain import DEVELOPMENT_KEY, anvil, compile_solidity, encode, gas
from common import VERDICT, Failure, read_json, sha256, write_json
from measure import once, outcome, step, well

STEPS = {
    "setup": (),
    "srs": ("setup",),
    "prove": ("setup",),
    "verify": ("prove",),
    "solidity": ("setup",),
    "chain": ("prove", "solidity"),
}
# What a prover keeps besides the SRS.
KEY_FILES = ("public/manifest.json", "private/circuit.bin", "public/vk.bin")
SUBJECT = "0x" + "51" * 20
VERIFIER = """pragma solidity ^0.8.0; interface IVerdictVerifier { function verify(
    address, bytes32, uint256[] calldata, bytes calldata) external view returns (bool); }"""
VERIFY = "verify(address,bytes32,uint256[],bytes)"


class Verdict:
    steps = STEPS
    name = "verdict"

    def __init__(self, model, folder, limits):
        self.model, self.folder, self.limits = model, folder, limits
        self.setup_folder = folder / "setup"

    def fingerprint(self):
        return [sha256(VERDICT), self.model.read()["sha256"]]

    def ready(self):
        return None if VERDICT.exists() else f"{VERDICT} is missing: build it first"

    def run(self, name, found):
        return getattr(self, name)(found)

    def command(self, *arguments):
        """A command that prints JSON; its progress is no part of what is measured."""
        return [VERDICT, *arguments, "--json"]

    def setup(self, _):
        """Keys. A first run, not counted, makes the development SRS if it is not cached;
        a model refused by it is one that Verdict can't prove yet."""
        ranges = self.folder / "ranges.json"
        write_json(ranges, {"input": self.model.read()["ranges"]}, indent=None)
        command = self.command("setup", self.model.onnx, "--ranges", ranges, "--dev-srs",
                               "--out", self.setup_folder)
        first = once(command, self.folder, self.limits)
        status, message = outcome(first, self.limits)
        if status != "ok":
            refused = status == "failed" and first["exit"] == 1
            return {"status": "refused" if refused else status, "message": message}
        result = step(lambda index: command, self.folder, self.limits)
        manifest = read_json(self.setup_folder / "public/manifest.json")
        key = sum((self.setup_folder / name).stat().st_size for name in KEY_FILES)
        return result | {"k": manifest["k"], "shape": manifest["shape"], "pk_bytes": key,
                         "vk_bytes": (self.setup_folder / "public/vk.bin").stat().st_size}

    def srs(self, found):
        """What the first run had to make."""
        target = self.folder / "development.srs"
        command = self.command("srs", "dev", "--k", found["setup"]["k"], "--out", target)
        result = step(lambda index: command, self.folder, self.limits, repeat=False)
        target.unlink(missing_ok=True)
        return result

    def input(self, index):
        path = self.folder / f"input-{index}.json"
        write_json(path, {"input": self.model.read()["inputs"][index]}, indent=None)
        return path

    def prove_command(self, index):
        return self.command("prove", self.setup_folder, "--input", self.input(index),
                            "--out", self.folder / f"proof-{index}.json")

    def input_to_proof(self, _):
        """A function of a run's index that gives the seconds of one more proof's process."""
        return lambda index: well(once(self.prove_command(index), self.folder, self.limits),
                                  self.limits, "verdict prove")["wall"]

    def prove(self, _):
        """Each run proves another test input."""

        def collect(index, _):
            bundle = read_json(self.folder / f"proof-{index}.json")
            return {"outputs": bundle["decoded"], "proof_bytes": len(bundle["proof"]) // 2 - 1,
                    "evm_proof_bytes": len(bundle["evm_proof"]) // 2 - 1}

        return step(self.prove_command, self.folder, self.limits, collect=collect)

    def verify(self, _):
        command = self.command("verify", self.setup_folder, self.folder / "proof-0.json")
        return step(lambda index: command, self.folder, self.limits)

    def solidity(self, _):
        """Generates and compiles the verifier."""
        command = self.command("codegen", self.setup_folder)

        def collect(_, usage):
            report = read_last_json(usage["output"])
            return {name: report[name] for name in ("runtime_bytes", "key_bytes")}

        return step(lambda index: command, self.folder, self.limits, collect=collect,
                    repeat=False)

    def chain(self, _):
        """Both ways on one chain: through the oracle, and the verifier's plain call."""
        with contextlib.suppress(FileNotFoundError):
            (self.setup_folder / "public/deployment.json").unlink()
        with anvil(self.folder / "anvil.log") as chain:
            deployed = self.on_chain(chain, "deploy", self.setup_folder, "--rpc-url", chain.url)
            request = self.folder / "request.json"
            self.on_chain(chain, "prove", self.setup_folder, "--input", self.input(0),
                          "--subject", SUBJECT, "--nonce", 1, "--out", request)
            submitted = self.on_chain(chain, "submit", self.setup_folder, request,
                                      "--rpc-url", chain.url)
            receipt = self.plain(chain, deployed["deployment"], read_json(request))
            steps = {entry["step"]: entry["gas"] for entry in deployed["steps"]}
            return {"status": "ok", "verify_gas": gas(receipt),
                    "oracle_gas": submitted["gas"], "deploy": steps,
                    "runtime_bytes": chain.size(deployed["deployment"]["verifier"]),
                    "key_bytes": chain.size(deployed["deployment"]["key"]),
                    "calldata_bytes": receipt["calldata_bytes"]}

    def on_chain(self, chain, *arguments):
        usage = once(self.command(*arguments), self.folder, self.limits,
                     env={"VERDICT_PRIVATE_KEY": DEVELOPMENT_KEY})
        return read_last_json(well(usage, self.limits, f"verdict {arguments[0]}")["output"])

    def plain(self, chain, deployment, bundle):
        """`verify` of the generated contract in a transaction of its own."""
        selector = compile_solidity(VERIFIER, 200)["IVerdictVerifier"]["methods"][VERIFY]
        words = [int(word, 16) for word in bundle["instances"]]

        def calldata(instances):
            return encode(selector, int(deployment["key"], 16),
                          int(bundle["model"]["key_hash"], 16), instances,
                          bytes.fromhex(bundle["evm_proof"][2:]))

        right, wrong = calldata(words), calldata([*words[:-1], words[-1] ^ 1])
        receipt = chain.send(deployment["verifier"], right, "Verdict's verify")
        if chain.call(deployment["verifier"], wrong) is not None:
            raise Failure("Verdict's verifier accepted a changed output")
        return receipt | {"calldata_bytes": len(right)}


def read_last_json(text):
    """The JSON document in a log that may also have warnings."""
    start = text.find("{")
    if start < 0:
        raise Failure("a command printed no JSON")
    return json.JSONDecoder().raw_decode(text[start:])[0]
