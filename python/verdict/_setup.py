"""Setups, and what they do."""

from __future__ import annotations

import json
import numbers
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence

from . import _check, _kept, _tested, _verdict
from ._check import StrPath
from ._evaluate import Evaluation, Metric, commit_test, evaluate, make_test
from ._onchain import OnChain, deployment_of, path_or_none
from ._progress import Callback, Progress, callback
from ._proof import Outputs, Proof, Verified, named, shaped
from ._results import (
    Checked,
    Deployment,
    Inspection,
    RangeTable,
    Report,
    Solidity,
)
from .chain import Endpoint, reach
from .errors import Error, InputError, InvalidProofError, UsageError


class Setup(OnChain):
    """A model's keys and verifier: the folder that ``verdict setup`` writes too. With its public part
    alone one can verify, deploy and submit; proving takes both.

    Make one with :func:`verdict.setup`, or open a folder with :meth:`open`.
    """

    def __init__(
        self, own: _verdict.Setup, folder: Path, srs: StrPath | None = None, threads: int = 0
    ) -> None:
        self._own = own
        # The same wherever the process goes.
        self.folder = folder.absolute()
        self._srs = None if srs is None else Path(srs).absolute()
        self._threads = _check.whole("threads", threads, most=1024)
        self._prover: _verdict.Prover | None = None
        self.manifest: dict[str, Any] = json.loads(own.manifest())
        self._layout, self._classes = _kept.read(self.folder, self.id, self.manifest)
        #: Of a test, what it is a test of.
        self._tested = _tested.read(self.folder, self.id, self.manifest)
        if self._tested is not None:
            self._classes = self._tested.classes

    @classmethod
    def open(cls, folder: StrPath, *, srs: StrPath | None = None, threads: int = 0) -> Setup:
        """Opens a setup folder, or the public part of one.

        Args:
            folder: where it is.
            srs: the SRS to prove with; a setup with a development SRS has its own.
            threads: threads of a proof; 0 is one a core.

        Raises:
            Error: there is no setup, or its files are not those that its manifest names.
        """
        whole = _check.folder("folder", folder)
        return cls(_verdict.Setup.open(whole), whole, srs, threads)

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes, which open the folder again."""
        return _reopened, (str(self.folder), self._srs and str(self._srs), self._threads, self.id)

    @property
    def id(self) -> str:
        """Identifies the setup: a hash of what its proofs mean."""
        return self._own.id

    @property
    def batch(self) -> int:
        """Inferences of one proof."""
        return self._own.batch

    @property
    def columns(self) -> list[str] | None:
        """The columns that inputs have, in order; None if the setup was made without names."""
        return None if self._layout.columns is None else list(self._layout.columns)

    @property
    def classes(self) -> list[Any] | None:
        """A classifier's classes, in the order of its probabilities; None if they are not known."""
        return None if self._classes is None else list(self._classes)

    @property
    def ranges(self) -> RangeTable:
        """The declared range of every input."""
        return RangeTable(self.manifest, self._layout.columns, self._layout.matrix)

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        return [str(tensor["name"]) for tensor in self.manifest["output"]["tensors"]]

    @property
    def insecure_srs(self) -> bool:
        """Whether whoever made the SRS can forge proofs."""
        return bool(self.manifest["srs"]["insecure"])

    @property
    def deployment(self) -> Deployment | None:
        """Where it is deployed; None before."""
        if not (Path(self._own.folder) / "deployment.json").exists():
            return None
        return deployment_of(self._own.deployment())

    def _model(self) -> Path | None:
        self._check_folder()
        path = self.folder / _kept.MODEL
        # Without the file of columns the setup is the command line's, of a file elsewhere.
        return path if _kept.is_file(path) and _kept.is_file(self.folder / _kept.COLUMNS) else None

    def _model_file(self) -> Path | None:
        """Where the model's file is, or was when it was set up; None if nothing says."""
        if (kept := self._model()) is not None:
            return kept
        path = self.folder / "private" / "manifest.json"
        try:
            return Path(json.loads(path.read_bytes())["source"]["path"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _check_folder(self, found: str | None = None) -> None:
        """The folder still holds this setup, whatever is found there otherwise."""
        try:
            found = found or _verdict.Setup.open(self.folder).id
        except Error:
            return
        if found != self.id:
            raise Error(
                f"{self.folder} holds another setup now ({found}) than when it was opened ({self.id})",
                "open it again, verdict.Setup.open, or set models up in folders of their own, out=",
            )

    def _open_prover(self, told: Callback) -> _verdict.Prover:
        if self._prover is None:
            prover = _verdict.Prover.open(self.folder, self._srs, self._threads, told)
            self._check_folder(prover.id)
            self._prover = prover
        return self._prover

    def _proof(self, own: _verdict.Proof) -> Proof:
        stated = json.loads(_verdict.stated(self._own, own))
        return Proof(own, self._model_outputs(), self._own.statements, named(stated, self.ranges))

    def predict(self, x: Any) -> Outputs:
        """What the float model says, without a proof: outputs by name, shape [rows, …]."""
        with self._layout.naming():
            rows = self._own.run_model(self._layout.samples(x), self._model())
        return shaped(rows, self._model_outputs())

    def _model_outputs(self) -> list[dict[str, Any]]:
        return list(self.manifest["output"]["tensors"])

    def prove(
        self,
        x: Any,
        *,
        subject: str | Sequence[str] | None = None,
        nonce: int | Sequence[int] | None = None,
        chain: Endpoint | None = None,
        valid_for: int = 3600,
        requests: Sequence[Mapping[str, Any]] | None = None,
        commitment: StrPath | None = None,
        progress: Progress = None,
    ) -> Proof:
        """Proves what the model says about x, as many rows as the setup's `batch`.

        Args:
            x: a DataFrame, a row of one, a dict of columns or of single values, or an array of
                shape [rows, …] or of one inference's.
            subject: whom the score is about, an address, or one for each row: then the proof can be
                submitted.
            nonce: of the request, or of each; the chain's next by default.
            chain: where nonces are read.
            valid_for: seconds for which the proof may be recorded.
            requests: instead of subjects, whole requests, as :attr:`Proof.requests` lists them.
            commitment: of a setup that commits to inputs, the file that :meth:`commit` wrote.
            progress: see :func:`verdict.setup`.

        Returns:
            The proof, which verifies; outputs have shape [rows, …].

        Raises:
            InputError: x does not fit; it names the column and the row.
            Error: an input is outside of its declared range, or something else is wrong.
            KeyboardInterrupt: on Ctrl-C; the proof stops before its next stage.
        """
        samples = self._layout.samples(x)
        rows = len(json.loads(samples))
        if rows != self.batch:
            raise UsageError(
                f"x has {rows} rows, and a proof of this setup is of {self.batch}",
                f"set up with batch={rows}, or prove the rows one after the other: setup.prove_each(x)"
                if self.batch == 1
                else f"give {self.batch} rows",
            )
        answered = self._requests(subject, nonce, chain, valid_for, requests)
        told = callback(progress)
        prover = self._open_prover(told)
        path = None if commitment is None else Path(commitment)
        with self._layout.naming():
            own = prover.prove(samples, answered, path, told)
        return self._proof(own)

    def prove_each(self, x: Any, *, progress: Progress = None) -> Iterator[Proof]:
        """Proves rows one after the other, without subjects; of a batch, as many at a time."""
        rows = json.loads(self._layout.samples(x))
        if len(rows) % self.batch:
            raise UsageError(f"x has {len(rows)} rows, not a multiple of the batch {self.batch}")
        told = callback(progress)
        prover = self._open_prover(told)
        for at in range(0, len(rows), self.batch):
            samples = json.dumps(rows[at : at + self.batch])
            with self._layout.naming():
                own = prover.prove(samples, "[]", None, told)
            yield self._proof(own)

    def _requests(
        self,
        subject: str | Sequence[str] | None,
        nonce: int | Sequence[int] | None,
        chain: Endpoint | None,
        valid_for: int,
        requests: Sequence[Mapping[str, Any]] | None,
    ) -> str:
        if requests is not None:
            if subject is not None:
                raise UsageError("give subjects or requests, not both")
            for own in requests:
                if not isinstance(own, Mapping):
                    raise UsageError(
                        f"requests has {own!r}; each is a dict, as Proof.requests lists them"
                    )
            return json.dumps([dict(own) for own in requests])
        if subject is None:
            return "[]"
        valid_for = _check.whole("valid_for", valid_for, least=1, most=_check.MOST // 2)
        subjects = _check.names("subject", subject)
        nonces = None
        if nonce is not None:
            several = list(nonce) if isinstance(nonce, Iterable) else [nonce]
            nonces = [_check.whole("nonce", own) for own in several]
        return _verdict.next_nonce(self._own, reach(chain), subjects, nonces, valid_for)

    def verify(
        self, proof: Proof | StrPath, *, commitment: str | Sequence[str] | None = None
    ) -> Verified:
        """Checks a proof, or a file of one. The public part of the setup is enough.

        Args:
            proof: the proof.
            commitment: what it has to state instead of inputs, as it was announced: 32 bytes in
                hexadecimal, or of a batch one for each inference. Of a test, whose figures
                :meth:`Evaluation.of` reads, that of all samples; without it whoever made the proof
                chose them.

        Raises:
            InvalidProofError: it does not hold, is not about this setup, or states another commitment.
        """
        expected = None if commitment is None else _check.hashes("commitment", commitment)
        own = self._proof_of(proof)
        found = json.loads(_verdict.verify(self._own, own))
        stated = self._proof(own)
        if expected is not None:
            self._check_commitments(expected, stated.commitments)
        return Verified(
            found["model"],
            found["setup_id"],
            shaped(own.outputs(self._own.statements), self._model_outputs()),
            found["decimals"],
            found["insecure_srs"],
            stated.inputs,
            stated.commitments,
            stated.requests,
        )

    def _check_commitments(self, expected: list[str], stated: list[str] | None) -> None:
        inputs = "samples" if self.manifest["model"].get("measure") is not None else "inputs"
        if stated is None:
            raise InvalidProofError(f"the proof states no commitment to {inputs}")
        if len(expected) != len(stated):
            raise UsageError(f"commitment has {len(expected)}, the proof states {len(stated)}")
        for own, wanted in zip(stated, expected):
            if own.lower() != wanted:
                raise InvalidProofError(
                    f"the proof is of other {inputs}: it states the commitment {own}, not {wanted}"
                )

    def test(
        self,
        samples: int,
        *,
        metric: Metric = "accuracy",
        threshold: float | None = None,
        groups: bool = False,
        expected: tuple[float, float] | None = None,
        out: StrPath | None = None,
        srs: StrPath | None = None,
        dev_srs: bool = False,
        progress: Progress = None,
    ) -> Setup:
        """Makes the keys of a test: a proof under them says how good the model's first output is on so
        many samples, to all of which it states one commitment. :meth:`evaluate` makes one by itself;
        make it before, and publish its public part, to fix the model before samples are shown.

        Its key is another than this setup's, and no proof links the two: with `public_weights` whoever has
        the model's file checks both (:meth:`check`), with hidden weights only who has both private
        parts. See docs/quality.md.

        Args:
            samples: how many, 2 to 4096.
            metric: "accuracy" counts right answers, "error" adds up how far they are off.
            threshold: from which score on the class is 1, of a single score; 0.5 by default of
                probabilities, else it has to be given.
            groups: whether approvals of two groups are counted, too.
            expected: the least and the greatest that may be expected, of numbers and labels. They are
                public: bounds that hold for any samples say nothing of these.
            out: the folder to write; by default this one's name with "-test". A test that is there and asks
                the same is opened, another one stays: its key may have been announced.
            srs: an SRS of as many powers as it takes; this setup's by default.
            dev_srs: to use a development SRS instead; by default if this setup has one.
            progress: see :func:`verdict.setup`.

        Raises:
            UsageError: the default folder holds another test; an argument is wrong.
            Error: nothing of the kind can be said of the output.
        """
        return make_test(
            self, samples, metric, threshold, groups, expected, out, srs, dev_srs, progress
        )

    def evaluate(
        self,
        x: Any,
        y: Any,
        *,
        groups: Any = None,
        metric: Metric | None = None,
        threshold: float | None = None,
        expected: tuple[float, float] | None = None,
        test: Setup | None = None,
        commitment: StrPath | None = None,
        out: StrPath | None = None,
        srs: StrPath | None = None,
        dev_srs: bool = False,
        progress: Progress = None,
    ) -> Evaluation:
        """Proves how good the model is on samples, which stay hidden: how many answers are right, or how
        far off they are, and how many of two groups are approved. It says that of the test's key: that
        this is the key of the model whose scores are recorded, see :meth:`test`.

        Args:
            x: the samples, as for :meth:`prove`, shape [rows, …].
            y: what is expected of each, shape [rows]: its class, one of :attr:`classes` or, where these
                are not known, its position from 0; or a number if the metric is "error".
            groups: 0 or 1 for each sample, shape [rows], or booleans: approvals, answers of class 1, are
                counted for each group.
            metric, threshold, expected, out, srs, dev_srs: as for :meth:`test`.
            test: a test of this model that was made before; other arguments have to ask what it asks.
                By default one is made as by :meth:`test`.
            commitment: the file with the commitment and its salt; written if there is none, by default
                among the test's private files, see :attr:`Evaluation.salted`.
            progress: see :func:`verdict.setup`.

        Returns:
            The figures and their proof, which verifies.

        Raises:
            InputError: x, y or groups do not fit; it names the row.
            UsageError: the test is another model's, or asks something else.
            Error: an input is outside of its declared range, or something else is wrong.
        """
        return evaluate(
            self,
            x,
            y,
            groups=groups,
            metric=metric,
            threshold=threshold,
            expected=expected,
            test=test,
            commitment=commitment,
            out=out,
            srs=srs,
            dev_srs=dev_srs,
            progress=progress,
        )

    def load_proof(self, path: StrPath) -> Proof:
        """Reads a proof of this setup from a file, and verifies it.

        Raises:
            InvalidProofError: it does not hold, or is not about this setup.
            Error: it is no proof.
        """
        own = _verdict.Proof.read(Path(path))
        _verdict.verify(self._own, own)
        return self._proof(own)

    def inspect(self, *, progress: Progress = None) -> Inspection:
        """What the model costs, node by node; the private part is needed."""
        return Inspection(json.loads(self._own.inspect(self._model(), callback(progress))))

    def report(
        self,
        data: Any,
        *,
        thresholds: Sequence[float | str] | float | str = (),
        solc: StrPath | None = None,
        progress: Progress = None,
    ) -> Report:
        """Measures the setup on data: errors, decisions, rows, time and gas, as one page.

        Args:
            data: rows as for :meth:`prove`, any number; those outside of their ranges are counted.
            thresholds: values of an output from which on something is decided otherwise: a number,
                or "NAME=T", "NAME:INDEX=T".
            solc: the Solidity compiler; without one, gas is left out with the reason.
            progress: see :func:`verdict.setup`.
        """
        single = isinstance(thresholds, (str, numbers.Real))
        several = [thresholds] if single else list(thresholds)  # type: ignore[arg-type]
        found, page = _verdict.report(
            self._own,
            self._layout.samples(data),
            [own if isinstance(own, str) else repr(_check.number("thresholds", own)) for own in several],
            self._model(),
            self._srs,
            path_or_none(solc),
            self._threads,
            callback(progress),
        )
        return Report(json.loads(found), page)

    def solidity(self, *, solc: StrPath | None = None, progress: Progress = None) -> Solidity:
        """Generates and compiles the contracts.

        Raises:
            Error: there is no solc, or it refuses the source.
        """
        return Solidity(*self._own.contracts(path_or_none(solc), callback(progress)))

    def gas(self, *, solc: StrPath | None = None, progress: Progress = None) -> dict[str, Any]:
        """Runs a verification in an EVM: its gas, part by part, as ``verdict codegen --explain``."""
        return dict(json.loads(self._own.gas(path_or_none(solc), callback(progress))))

    def commit(self, x: Any, out: StrPath) -> list[str]:
        """Commits to inputs with random salts, of a setup with `commit_inputs`. The file that is
        written is as secret as the inputs.

        Returns:
            A commitment for each row: what proofs state instead of the inputs.
        """
        try:
            with self._layout.naming():
                return _verdict.commit(self._own, self._layout.samples(x), _check.beside(out))
        except InputError as error:
            if self.manifest["model"].get("measure") is None or error.hint is None:
                raise
            hint = "give what is expected apart: setup.commit_test(x, y, out)"
            raise InputError(error.message, hint) from None

    def commit_test(
        self,
        x: Any,
        y: Any,
        out: StrPath,
        *,
        groups: Any = None,
        columns: Sequence[str] | None = None,
        classes: Sequence[Any] | None = None,
    ) -> str:
        """Commits to the samples of a test with a random salt, before they are shown. The file that is
        written is as secret as the samples, and what :meth:`evaluate` takes as `commitment`.

        Args:
            x: the samples, as many as the test is of, as for :meth:`evaluate`.
            y: what is expected of each, shape [rows].
            out: the file to write.
            groups: 0 or 1 for each sample, if the test counts groups.
            columns: of a frame, the columns in the model's order, as its owner tells them; with the
                private part they are known.
            classes: the model's classes in their order, likewise; without them y has positions.

        Returns:
            The commitment, to be announced.

        Raises:
            UsageError: the setup is no test, or not of as many samples.
            InputError: x, y or groups do not fit; it names the row.
        """
        return commit_test(self, x, y, out, groups, columns, classes)

    def check(
        self,
        onnx: StrPath,
        *,
        outputs: Sequence[str] | str | None = None,
        dims: Mapping[str, int] | None = None,
        srs: StrPath | None = None,
        dev_srs: bool = False,
        progress: Progress = None,
    ) -> Checked:
        """Makes the keys again from the model's file, and compares everything: the setup is this model's.
        With public weights anyone can; of hidden ones the private part is needed.

        Args:
            onnx: the model's file; of one that was exported here it is ``private/model.onnx``.
            outputs: its outputs that are proven; by default those that the setup names.
            dims: sizes of symbolic dimensions, by name.
            srs: the SRS that the setup was made with; by default the one it is opened with.
            dev_srs: to use this machine's development SRS; by default if the setup has one.
            progress: see :func:`verdict.setup`.

        Raises:
            Error: something differs: the message lists what; or weights are hidden from who asks.
        """
        (path,) = _check.paths("onnx", [onnx])
        names = self.outputs if outputs is None else _check.names("outputs", outputs)
        own = self._srs if srs is None else Path(srs).absolute()
        development = dev_srs or (own is None and self.insecure_srs)
        told = callback(progress)
        found = self._own.check(path, names, dict(dims or {}), own, development, self._threads, told)
        return Checked(**json.loads(found))

    def __repr__(self) -> str:
        insecure = ", INSECURE development SRS" if self.insecure_srs else ""
        count = f", batches of {self.batch}" if self.batch > 1 else ""
        inputs = len(self.manifest["input"]["ranges"])
        return (
            f"Setup({str(self.folder)!r}: {inputs} inputs to {', '.join(self.outputs)}{count}{insecure})"
        )


def _reopened(folder: str, srs: str | None, threads: int, setup_id: str) -> Setup:
    """A setup that another process had open."""
    setup = Setup.open(folder, srs=srs, threads=threads)
    if setup.id != setup_id:
        raise Error(f"{folder} holds another setup now ({setup.id}) than the one given ({setup_id})")
    return setup
