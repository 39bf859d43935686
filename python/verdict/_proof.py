"""Proofs, and what holds of them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
import numpy.typing as npt

from . import _verdict
from ._results import InputRange

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


#: The inputs that a proof states, by name, shape [inferences]: numbers, or categories.
Inputs = dict[str, npt.NDArray[Any]]
Stated = tuple[Optional[Inputs], Optional[list[str]]]


def named(stated: dict[str, Any], ranges: Sequence[InputRange]) -> Stated:
    """What a proof states of inputs, by the names of columns or of the model's inputs."""
    inputs: Inputs | None = None
    if stated["inputs"] is not None:
        inputs = {}
        for each in zip(*stated["inputs"]):
            declared = ranges[each[0][0]]
            values = [np.nan if value is None else value for _, value in each]
            inputs[declared.name] = _categories(values, declared)
    return inputs, stated["commitments"]


def _categories(values: list[float], declared: InputRange) -> npt.NDArray[Any]:
    if not declared.codes:
        return np.array(values, dtype=np.float64)
    names = {code: name for name, code in declared.codes.items()}
    return np.array([names.get(value) for value in values], dtype=object)


class Proof:
    """A proof of one inference or of a batch, with its public values: the file that
    ``verdict prove`` writes.

    Attributes:
        outputs: the model's outputs by name, shape [inferences, …], as they are proven: decimals of
            a fixed number.
        decimals: how many decimals they have.
        inputs: the inputs that it states, by column or by the model's input, shape [inferences]: numbers,
            or categories, of which those not among the names are None. None if inputs are private.
        commitments: of a setup that commits to inputs, what it states instead, one for each
            inference; None otherwise.
    """

    def __init__(
        self,
        own: _verdict.Proof,
        tensors: list[dict[str, Any]],
        batch: int,
        stated: Stated = (None, None),
    ) -> None:
        self._own = own
        self._tensors, self._batch, self._stated = tensors, batch, stated
        self.inputs, self.commitments = stated
        self._content: dict[str, Any] = json.loads(own.to_json())
        self.outputs = shaped(own.outputs(batch), tensors)
        self.decimals = int(self._content["decimals"])

    @property
    def output(self) -> npt.NDArray[np.float64]:
        """The first output, shape [inferences, …]."""
        return next(iter(self.outputs.values()))

    @property
    def commitment(self) -> str | None:
        """The first inference's commitment, which :meth:`Setup.commit` returned."""
        return None if self.commitments is None else self.commitments[0]

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
        return copy.deepcopy(self._content)

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes."""
        return _again, (self._own.to_json(), self._tensors, self._batch, self._stated)

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


def _again(
    text: str, tensors: list[dict[str, Any]], batch: int, stated: Stated
) -> Proof:
    return Proof(_verdict.Proof.from_json(text.encode()), tensors, batch, stated)


@dataclass(frozen=True)
class Verified:
    """What a proof that holds says.

    Attributes:
        model: the model's name.
        setup_id: the setup whose key it holds under.
        outputs: by name, shape [inferences, …].
        decimals: decimals of the outputs.
        insecure_srs: whether whoever made the SRS can forge such proofs.
        inputs: the inputs that it states, as :attr:`Proof.inputs`; None if they are private.
        commitments: what it states instead, as :attr:`Proof.commitments`.
        requests: the requests that it answers: chain, oracle, model, subject, nonce, deadline. None of
            a proof that cannot be recorded.
    """

    model: str
    setup_id: str
    outputs: Outputs
    decimals: int
    insecure_srs: bool
    inputs: Inputs | None = None
    commitments: list[str] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def subject(self) -> str | None:
        """Whom it is about, an address; of a batch the first."""
        return str(self.requests[0]["subject"]) if self.requests else None

    @property
    def commitment(self) -> str | None:
        """The first inference's commitment; of a test that to all samples."""
        return None if self.commitments is None else self.commitments[0]
