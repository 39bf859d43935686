"""What can go wrong: the command line's words, its hint, and what the failure means."""

from __future__ import annotations

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
        self.message = message
        self.hint = hint

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
