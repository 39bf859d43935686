"""The extension module. What has structure crosses as JSON text."""

from os import PathLike
from pathlib import Path
from typing import Callable, final

_Path = str | PathLike[str]
_Progress = Callable[[str, str, float], None] | None

__all__ = [
    "Account",
    "INSECURE",
    "LocalChain",
    "Model",
    "Plan",
    "Proof",
    "Prover",
    "Setup",
    "__version__",
    "accept",
    "attach",
    "attest",
    "commit",
    "deploy",
    "import_srs",
    "next_nonce",
    "report",
    "setup",
    "stated",
    "submit",
    "verify",
]

__version__: str
INSECURE: str

@final
class Model:
    @staticmethod
    def open(
        path: _Path,
        outputs: list[str] | None = None,
        dims: dict[str, int] | None = None,
        progress: _Progress = None,
    ) -> Model: ...
    @staticmethod
    def outputs(path: _Path) -> list[str]: ...
    def inputs(self) -> str: ...
    def run(self, samples: str) -> list[list[float]]: ...
    @property
    def name(self) -> str: ...
    def plan(self, options: str, progress: _Progress = None) -> Plan: ...

@final
class Plan:
    @property
    def srs_k(self) -> int: ...
    def inputs(self) -> str: ...
    def schema(self) -> str: ...
    def run(self, samples: str) -> list[list[float]]: ...
    def compare(self, samples: str) -> tuple[list[list[float]], list[list[float]], float]: ...
    def inspect(self) -> str: ...

@final
class Setup:
    @staticmethod
    def open(folder: _Path) -> Setup: ...
    @property
    def folder(self) -> Path: ...
    @property
    def id(self) -> str: ...
    @property
    def batch(self) -> int: ...
    @property
    def statements(self) -> int: ...
    @property
    def committed(self) -> bool: ...
    def manifest(self) -> str: ...
    def deployment(self) -> str: ...
    def inspect(self, model: _Path | None = None, progress: _Progress = None) -> str: ...
    def run_model(self, samples: str, model: _Path | None) -> list[list[float]]: ...
    def measured(
        self,
        figure: str,
        threshold: float | None,
        groups: bool,
        expected: list[float] | None,
        samples: int,
        model: _Path | None = None,
        progress: _Progress = None,
    ) -> Plan: ...
    def check(
        self,
        onnx: _Path,
        outputs: list[str] | None = None,
        dims: dict[str, int] | None = None,
        srs: _Path | None = None,
        dev_srs: bool = False,
        threads: int = 0,
        progress: _Progress = None,
    ) -> str: ...
    def contracts(
        self, solc: _Path | None = None, progress: _Progress = None
    ) -> tuple[str, str, bytes, bytes, bytes]: ...
    def gas(self, solc: _Path | None = None, progress: _Progress = None) -> str: ...

@final
class Prover:
    @staticmethod
    def open(
        folder: _Path,
        srs: _Path | None = None,
        threads: int = 0,
        progress: _Progress = None,
    ) -> Prover: ...
    @property
    def id(self) -> str: ...
    def prove(
        self,
        samples: str,
        requests: str,
        commitment: _Path | None = None,
        progress: _Progress = None,
    ) -> Proof: ...

@final
class Proof:
    @staticmethod
    def read(path: _Path) -> Proof: ...
    @staticmethod
    def from_json(text: bytes) -> Proof: ...
    def write(self, path: _Path) -> None: ...
    def to_json(self) -> str: ...
    def outputs(self, batch: int) -> list[list[float]]: ...
    @property
    def bytes(self) -> bytes: ...

@final
class Account:
    """A sending key. It is never shown."""

    @classmethod
    def from_env(cls, variable: str = "VERDICT_PRIVATE_KEY") -> Account: ...
    @classmethod
    def from_keystore(
        cls,
        path: _Path,
        password_file: _Path | None = None,
        password_variable: str = "VERDICT_KEYSTORE_PASSWORD",
    ) -> Account: ...
    @property
    def address(self) -> str: ...

@final
class LocalChain:
    @staticmethod
    def start(anvil: _Path | None = None, port: int = 0) -> LocalChain: ...
    @property
    def url(self) -> str: ...
    def account(self, ether: int) -> Account: ...
    def pass_time(self, seconds: int) -> None: ...
    def stop(self) -> None: ...

def setup(
    plan: Plan,
    out: _Path,
    srs: _Path | None = None,
    dev_srs: bool = False,
    threads: int = 0,
    kept_at: _Path | None = None,
    progress: _Progress = None,
) -> str: ...
def verify(setup: Setup, proof: Proof) -> str: ...
def stated(setup: Setup, proof: Proof) -> str: ...
def commit(setup: Setup, samples: str, out: _Path) -> list[str]: ...
def report(
    setup: Setup,
    samples: str,
    thresholds: list[str],
    model: _Path | None = None,
    srs: _Path | None = None,
    solc: _Path | None = None,
    threads: int = 0,
    progress: _Progress = None,
) -> tuple[str, str]: ...
def import_srs(
    file: _Path,
    out: _Path,
    k: int | None = None,
    allow_unknown: bool = False,
    progress: _Progress = None,
) -> str: ...
def next_nonce(
    setup: Setup,
    reach: str,
    subjects: list[str],
    nonces: list[int] | None = None,
    valid_for: int = 3600,
) -> str: ...
def deploy(
    setup: Setup,
    account: Account,
    reach: str,
    options: str,
    solc: _Path | None = None,
    progress: _Progress = None,
) -> str: ...
def attach(
    setup: Setup,
    reach: str,
    oracle: str,
    model_id: int | None = None,
    solc: _Path | None = None,
    progress: _Progress = None,
) -> str: ...
def attest(
    setup: Setup,
    account: Account,
    sample: str,
    subject: str,
    out: _Path,
    commitment: _Path | None = None,
    valid_for: int = 86400,
    contract: str | None = None,
    partial: bool = False,
) -> str: ...
def accept(setup: Setup, account: Account, reach: str, progress: _Progress = None) -> int: ...
def submit(
    setup: Setup,
    proof: Proof,
    account: Account,
    reach: str,
    attestations: list[Path],
    progress: _Progress = None,
) -> str: ...
