"""Proofs, and what holds of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _verdict

Outputs = dict[str, npt.NDArray[np.float64]]


def shaped(rows: list[list[float]], tensors: list[dict[str, Any]]) -> Outputs:
    """The outputs of inferences by name. A first dimension of 1 becomes that of the inferences."""
    flat = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
    out, at = {}, 0
    for tensor in tensors:
        dims = tuple(tensor["dims"])
        size = int(np.prod(dims, dtype=np.int64))
        inner = dims[1:] if dims and dims[0] == 1 else dims
        out[str(tensor["name"])] = flat[:, at : at + size].reshape(len(rows), *inner)
        at += size
    return out


class Proof:
    """A proof of one inference or of a batch, with its public values: the file that
    ``verdict prove`` writes.

    Attributes:
        outputs: the model's outputs by name, shape [inferences, …], as they are proven: decimals of
            a fixed number.
        decimals: how many decimals they have.
    """

    def __init__(self, own: _verdict.Proof, tensors: list[dict[str, Any]], batch: int) -> None:
        self._own = own
        self._content: dict[str, Any] = json.loads(own.to_json())
        self.outputs = shaped(own.outputs(batch), tensors)
        self.decimals = int(self._content["decimals"])

    @property
    def output(self) -> npt.NDArray[np.float64]:
        """The first output, shape [inferences, …]."""
        return next(iter(self.outputs.values()))

    @property
    def bytes(self) -> bytes:
        """The proof itself, without its public values."""
        return bytes(self._own.bytes)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that it answers: chain, oracle, model, subject, nonce, deadline."""
        one = self._content.get("request")
        return [one] if one else list(self._content.get("requests") or [])

    @property
    def insecure_srs(self) -> bool:
        """Whether whoever made the SRS can forge such proofs."""
        return bool(self._content["srs"]["insecure"])

    def to_dict(self) -> dict[str, Any]:
        """What the file holds."""
        return dict(self._content)

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes the file, whole or not at all.

        Raises:
            Error: it cannot be written.
        """
        path = Path(path)
        self._own.write(path)
        return path

    def __repr__(self) -> str:
        each = (f"{name}={np.array2string(value)}" for name, value in self.outputs.items())
        answers = f", {len(self.requests)} requests" if self.requests else ""
        return f"Proof({', '.join(each)}, {len(self.bytes)} bytes{answers})"


@dataclass(frozen=True)
class Verified:
    """What a proof that holds says.

    Attributes:
        model: the model's name.
        setup_id: the setup whose key it holds under.
        outputs: by name, shape [inferences, …].
        decimals: decimals of the outputs.
        insecure_srs: whether whoever made the SRS can forge such proofs.
    """

    model: str
    setup_id: str
    outputs: Outputs
    decimals: int
    insecure_srs: bool
