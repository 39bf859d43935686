"""Models that are fitted once, and setups of them that are made once."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import verdict

REPOSITORY = Path(__file__).resolve().parents[2]
# solc and anvil of the repository's npm packages.
os.environ["PATH"] = f"{REPOSITORY / 'scripts'}{os.pathsep}{os.environ['PATH']}"
# A job in the background ignores Ctrl-C, and so would what it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

EXAMPLES = REPOSITORY / "examples"
SUBJECT = "0x00000000000000000000000000000000000000A1"


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """anvil is looked for in the node_modules above the working directory."""
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the relayer and the SRS cache keep, apart from the user's."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., verdict.Setup]:
    """A setup in a folder of its own, with a development SRS."""

    def made(model: Any, data: Any = None, **options: Any) -> verdict.Setup:
        out = tmp_path_factory.mktemp("setup") / "setup"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", verdict.VerdictWarning)
            return verdict.setup(model, data, out=out, dev_srs=True, **options)

    return made


@pytest.fixture(scope="session")
def credit(make: Callable[..., verdict.Setup]) -> verdict.Setup:
    """The example's logistic regression, from its files."""
    return make(EXAMPLES / "credit" / "logistic.onnx", ranges=EXAMPLES / "credit" / "ranges.json")


@pytest.fixture(scope="session")
def applicant() -> list[float]:
    import json

    content = json.loads((EXAMPLES / "credit" / "applicants.json").read_text())
    return list(content["applicants"][0]["input"])


def rng() -> np.random.Generator:
    return np.random.default_rng(17)
