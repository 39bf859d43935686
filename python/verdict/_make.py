"""Looking at models, and setting them up."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any, Literal, Mapping, Sequence

from . import _check, _kept, _ranges, _verdict
from ._check import StrPath
from ._plan import plan
from ._progress import Progress, callback
from ._results import Inspection
from ._setup import Setup
from .errors import VerdictWarning

#: What a circuit is chosen for.
Optimize = Literal["balanced", "gas", "time"]
#: Where a setup is written unless another place is named.
DEFAULT_FOLDER = "setup"


def inspect(
    model: Any,
    data: Any = None,
    *,
    ranges: _ranges.Ranges | None = None,
    outputs: Sequence[str] | str | None = None,
    dims: Mapping[str, int] | None = None,
    missing: Sequence[str] | bool = False,
    public_inputs: bool | Sequence[str] = False,
    commit_inputs: bool | Sequence[str] = False,
    target_error: float | None = None,
    decimals: int | None = None,
    batch: int | None = None,
    optimize: Optimize = "balanced",
    crosscheck: bool = True,
    example_inputs: Any = None,
    progress: Progress = None,
) -> Inspection:
    """What a model will cost, before any key is made. Arguments are those of :func:`setup`."""
    planned = plan(
        model,
        data,
        progress,
        ranges=ranges,
        outputs=outputs,
        dims=dims,
        missing=missing,
        public_inputs=public_inputs,
        commit_inputs=commit_inputs,
        target_error=target_error,
        decimals=decimals,
        batch=batch,
        optimize=optimize,
        crosscheck=crosscheck,
        public_weights=False,
        example_inputs=example_inputs,
    )
    return Inspection(json.loads(planned.plan.inspect()))


def setup(
    model: Any,
    data: Any = None,
    *,
    out: StrPath | None = None,
    ranges: _ranges.Ranges | None = None,
    outputs: Sequence[str] | str | None = None,
    dims: Mapping[str, int] | None = None,
    missing: Sequence[str] | bool = False,
    public_inputs: bool | Sequence[str] = False,
    commit_inputs: bool | Sequence[str] = False,
    target_error: float | None = None,
    decimals: int | None = None,
    batch: int | None = None,
    optimize: Optimize = "balanced",
    crosscheck: bool = True,
    public_weights: bool = False,
    srs: StrPath | None = None,
    dev_srs: bool = False,
    threads: int = 0,
    example_inputs: Any = None,
    progress: Progress = None,
) -> Setup:
    """Makes a model's keys and its Solidity verifier, in a folder that ``verdict`` reads too.

    Args:
        model: an ONNX file or its bytes; a fitted scikit-learn estimator or pipeline; an XGBoost or
            LightGBM model; a torch module, with `example_inputs`. Of a classifier of two classes, a
            Booster's too, the output ``score`` is proven, the second class's probability, of more
            classes ``probabilities``, in the order of ``setup.classes``; of one without
            probabilities ``decision``, its decision function; unless `outputs` names others. What
            is exported is compared with the model, on the data and on points of the ranges.
        data: samples the ranges of inputs are inferred from, at least a row: a DataFrame or a dict
            of columns, or an array of shape [rows, …]. See :mod:`verdict._ranges` for what is
            inferred; ``setup.ranges`` shows it.
        out: the folder to write, ``setup`` by default. A setup that is there is replaced; objects that
            were opened before refuse to prove from then on.
        ranges: ranges that take the place of inferred ones: by column or input, each (lo, hi) or
            as in ``ranges.json`` (min, max, decimals, missing, categories); one (lo, hi) for all;
            or a file.
        outputs: the model's outputs to prove, by name; all of a file's by default. The first
            element of the first one is the score on chain.
        dims: sizes of symbolic dimensions, by name.
        missing: columns that may be missing (NaN), or True for all.
        public_inputs: whether a proof states its inputs, or the inputs that it states.
        commit_inputs: whether it states a commitment to them, see :meth:`Setup.commit`.
        target_error: largest output error against the float model, in units of the outputs.
        decimals: decimals of the outputs; the most that fit by default, 6 at most.
        batch: inferences of one proof.
        optimize: "balanced", "gas" or "time".
        crosscheck: whether a second runtime reads the file as well, and has to agree.
        public_weights: not to hide the weights: anyone who has the model makes the same key.
        srs: a structured reference string made by ``verdict srs``.
        dev_srs: to use a development SRS instead. INSECURE: whoever made it can forge proofs.
        threads: threads; 0 is one a core.
        example_inputs: of a torch module, a tensor or a tuple of them, for one inference.
        progress: True, False, or a callable of event, text and seconds; None shows it in terminals
            and notebooks.

    Returns:
        The setup, opened.

    Raises:
        ModelError: the model is not fitted, a step of it cannot be exported, or what its exporter
            writes is not what the model computes.
        MissingPackageError: its exporter is not installed.
        InputError: the data do not fit; it names the column.
        Error: the model is not supported, no circuit is precise enough, or a file cannot be
            written.
    """
    folder = _check.folder("out", DEFAULT_FOLDER if out is None else out)
    threads = _check.whole("threads", threads, most=1024)
    planned = plan(
        model,
        data,
        progress,
        ranges=ranges,
        outputs=outputs,
        dims=dims,
        missing=missing,
        public_inputs=public_inputs,
        commit_inputs=commit_inputs,
        target_error=target_error,
        decimals=decimals,
        batch=batch,
        optimize=optimize,
        crosscheck=crosscheck,
        public_weights=public_weights,
        example_inputs=example_inputs,
    )
    kept = None if planned.content is None else folder / _kept.MODEL
    path = None if srs is None else Path(srs).absolute()
    before = _kept.id_in(folder) if out is None else None
    _verdict.setup(planned.plan, folder, path, dev_srs, threads, kept, callback(progress))
    own = _verdict.Setup.open(folder)
    if planned.content is not None:
        write_private(folder / _kept.MODEL, planned.content)
    elif not _same(model, folder / _kept.MODEL):
        # What an earlier setup left there is not this one's.
        (folder / _kept.MODEL).unlink(missing_ok=True)
    write_private(folder / _kept.COLUMNS, planned.layout.to_json(own.id, planned.classes).encode())
    if before is not None and before != own.id:
        warnings.warn(
            f"{folder} held another setup ({before}), which is replaced; name folders with out= to keep "
            "several",
            VerdictWarning,
            stacklevel=2,
        )
    return Setup.open(folder, srs=path, threads=threads)


def _same(model: Any, path: Path) -> bool:
    """Whether the model is the file that an earlier setup kept."""
    return isinstance(model, (str, Path)) and path.exists() and path.samefile(model)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that its owner alone may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".verdict-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
