"""A local chain: anvil, JSON-RPC, compiled contracts, transactions and their gas."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time

from common import ROOT, Failure, tail
from measure import environment

# EIP-170.
CODE_LIMIT = 24_576
GAS_LIMIT = 500_000_000
GAS_PRICE = 10**10
# The first account of anvil's public test mnemonic: worth nothing on any real chain.
DEVELOPMENT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


class Chain:
    def __init__(self, port):
        self.port, self.url = port, f"http://127.0.0.1:{port}"

    def rpc(self, method, *params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/", json.dumps(request),
                               {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise Failure(f"{method}: {answer['error'].get('message', answer['error'])}")
        return answer["result"]

    def account(self):
        return self.rpc("eth_accounts")[0]

    def call(self, to, data):
        """The returned bytes, or None if the call reverts."""
        try:
            return bytes.fromhex(self.rpc("eth_call", self.transaction(to, data), "latest")[2:])
        except Failure as failure:
            if "revert" in str(failure).lower():
                return None
            raise

    def transaction(self, to, data):
        request = {"from": self.account(), "data": "0x" + data.hex(), "gas": hex(GAS_LIMIT),
                   "gasPrice": hex(GAS_PRICE)}
        return request | ({"to": to} if to else {})

    def send(self, to, data, what):
        """Sends a transaction and returns its receipt; a failure if it reverts."""
        sent = self.rpc("eth_sendTransaction", self.transaction(to, data))
        for _ in range(600):
            receipt = self.rpc("eth_getTransactionReceipt", sent)
            if receipt:
                break
            time.sleep(0.05)
        else:
            raise Failure(f"{what}: no receipt")
        if int(receipt["status"], 16) != 1:
            raise Failure(f"{what}: reverted after {int(receipt['gasUsed'], 16)} gas")
        return receipt

    def deploy(self, code, what):
        receipt = self.send(None, code, what)
        return receipt["contractAddress"], gas(receipt)

    def size(self, address):
        return len(self.rpc("eth_getCode", address, "latest")) // 2 - 1


def gas(receipt):
    return int(receipt["gasUsed"], 16)


@contextlib.contextmanager
def anvil(log, unlimited=False):
    """A fresh chain that ends with the block; `unlimited` lifts the code size limit."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(ROOT / "scripts" / "foundry"), "anvil", "--port", str(port), "--silent",
               "--gas-limit", str(GAS_LIMIT)]
    command += ["--disable-code-size-limit"] if unlimited else []
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment(),
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        chain = Chain(port)
        for _ in range(200):
            with contextlib.suppress(OSError, http.client.HTTPException):
                chain.rpc("eth_chainId")
                break
            if process.poll() is not None:
                raise Failure(f"anvil ended at once: {tail(log.read_text(errors='replace'))}")
            time.sleep(0.05)
        else:
            raise Failure("anvil did not answer within 10 s")
        yield chain
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def compile_solidity(source, runs, evm="cancun"):
    """{contract: {"code", "runtime", "methods"}} with the optimizer on."""
    settings = {"optimizer": {"enabled": True, "runs": runs}, "evmVersion": evm,
                "outputSelection": {"*": {"*": ["evm.bytecode.object", "evm.methodIdentifiers",
                                                "evm.deployedBytecode.object"]}}}
    request = {"language": "Solidity", "sources": {"source.sol": {"content": source}},
               "settings": settings}
    done = subprocess.run([str(ROOT / "scripts" / "solc"), "--standard-json"], text=True,
                          input=json.dumps(request), capture_output=True, check=False)
    if done.returncode:
        raise Failure(f"solc: {tail(done.stderr)}")
    answer = json.loads(done.stdout)
    for error in answer.get("errors", ()):
        if error["severity"] == "error":
            raise Failure(f"solc: {tail(error['formattedMessage'])}")
    contracts = answer["contracts"]["source.sol"]
    return {name: {"code": bytes.fromhex(contract["evm"]["bytecode"]["object"]),
                   "runtime": bytes.fromhex(contract["evm"]["deployedBytecode"]["object"]),
                   "methods": contract["evm"]["methodIdentifiers"]}
            for name, contract in contracts.items()}


def word(value):
    return value.to_bytes(32, "big")


def encode(selector, *arguments):
    """Calldata. An int is one word, bytes are `bytes`, a list of ints is `uint256[]`."""
    heads, tails = [], b""
    offset = 32 * len(arguments)
    for argument in arguments:
        if isinstance(argument, int):
            heads.append(word(argument))
            continue
        heads.append(word(offset + len(tails)))
        tails += word(len(argument))
        if isinstance(argument, bytes):
            tails += argument + bytes(-len(argument) % 32)
        else:
            tails += b"".join(map(word, argument))
    return bytes.fromhex(selector) + b"".join(heads) + tails
