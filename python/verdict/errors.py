"""What can go wrong: the command line's words, its hint, and what the failure means."""

from __future__ import annotations

import re

__all__ = [
    "Error",
    "InputError",
    "InsecureSRSWarning",
    "InvalidProofError",
    "MissingPackageError",
    "ModelError",
    "PendingError",
    "RejectedError",
    "UnreachableError",
    "UsageError",
    "VerdictWarning",
]


#: The command line's options that are arguments here, and what they are called.
_ARGUMENTS = {
    name: name.replace("-", "_") + "="
    for name in (
        "attestations batch chain-id commitment confirmations database dims missing model-id nonce "
        "optimize oracle out outputs partial ranges registry requests schema score signers solc source "
        "srs subject target-error threads threshold time-to-live valid-for"
    ).split()
} | {
    "attestation": "attestations=",
    "attestor": "attestors=",
    "commit": "commit_inputs=",
    "commit-inputs": "commit_inputs=True",
    "dev-srs": "dev_srs=True",
    "force-insecure-srs": "force_insecure_srs=True",
    "public-inputs": "public_inputs=True",
    "public-weights": "public_weights=True",
    "rpc-url": "chain=",
}
#: Its words that are others here.
_WORDS = {
    "; a checkout of Verdict has one as scripts/solc after `npm ci`": "",
    "run `npm ci`": "install Foundry's anvil, or say where it is: LocalChain(anvil=…)",
    "give a node with rpc_url": "give a node with chain=",
    "`verdict setup`": "verdict.setup",
    "`verdict deploy`": "setup.deploy",
    "`verdict attach`": "setup.attach",
    "`verdict commit`": "setup.commit",
    "`verdict prove`": "setup.prove",
    "`verdict srs import`": "verdict.import_srs",
}


def in_python(text: str) -> str:
    """A message of the command line's with the names that things have here."""
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)

    def argument(found: re.Match[str]) -> str:
        name = _ARGUMENTS.get(found.group(1))
        if name is None:
            return found.group(0)
        # A placeholder is the argument's value.
        value = found.group(3)
        return name + value if value and name.endswith("=") else name + (found.group(2) or "")

    return re.sub(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)( ([A-Z]+)\b)?", argument, text)


class Error(Exception):
    """Something was not as it has to be; nothing was done.

    Attributes:
        message: what was wrong, and where.
        hint: what to do about it, where there is something to say.
        kind: what the failure means, as ``verdict --json`` names it.
    """

    kind = "failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = in_python(message)
        self.hint = None if hint is None else in_python(hint)

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(Error, ValueError):
    """Arguments contradict each other, or one is missing."""

    kind = "usage"


class RejectedError(Error):
    """A contract refused, or what is on chain is not what was asked for."""

    kind = "rejected"


class PendingError(Error):
    """A transaction is under way; the same call again waits for it."""

    kind = "pending"


class UnreachableError(Error):
    """No node answers."""

    kind = "unreachable"


class InvalidProofError(Error):
    """The proof does not hold, or is not about this setup."""

    kind = "invalid_proof"


class InputError(Error, ValueError):
    """Data that do not fit: the message names the column, and the row."""


class ModelError(Error, ValueError):
    """A model that cannot be exported: the message names the step."""


class MissingPackageError(Error, ImportError):
    """A package that exports this kind of model is not installed."""


class VerdictWarning(UserWarning):
    """Something that must not be missed."""


class InsecureSRSWarning(VerdictWarning):
    """A development SRS is used: whoever made it can forge proofs."""
