"""Structured reference strings of ceremonies."""

from __future__ import annotations

import json
from pathlib import Path

from . import _check, _verdict
from ._check import StrPath
from ._progress import Progress, callback
from ._results import SRS

#: Most powers that a ceremony's file has, as a power of two.
MOST_K = 28


def import_srs(
    file: StrPath,
    out: StrPath,
    *,
    k: int | None = None,
    allow_unknown: bool = False,
    progress: Progress = None,
) -> SRS:
    """Imports a ceremony's structured reference string, checks it, and writes the file that
    ``verdict.setup(…, srs=out)`` takes. It is ``verdict srs import``.

    Args:
        file: powers of tau as snarkjs has them (``powersOfTau28_hez_final_16.ptau``), or a file of halo2's
            parameters.
        out: the file to write; one that is there is replaced.
        k: powers wanted, 2^k; all that the file has by default. How many a model takes, an error of
            :func:`verdict.setup` without an SRS says.
        allow_unknown: to accept a ceremony other than the perpetual powers of tau.
        progress: see :func:`verdict.setup`.

    Raises:
        Error: the file is none, is damaged, has fewer powers, or is of an unknown ceremony.
    """
    (path,) = _check.paths("file", [file])
    wanted = _check.optional("k", k, least=1, most=MOST_K)
    to = _check.beside(out).absolute()
    found = _verdict.import_srs(path, to, wanted, allow_unknown, callback(progress))
    return SRS(path=Path(to), **json.loads(found))
