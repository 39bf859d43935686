"""Setups, and what they do."""

from __future__ import annotations

import json
import numbers
from pathlib import Path
from typing import Any, Iterable, Iterator, Literal, Mapping, Sequence

from . import _check, _kept, _verdict
from ._check import StrPath
from ._evaluate import Evaluation, Metric, evaluate, make_test
from ._progress import Callback, Progress, callback
from ._proof import Outputs, Proof, Verified, named, shaped
from ._results import (
    Deployment,
    Inspection,
    RangeTable,
    Record,
    Report,
    Solidity,
    Submission,
)
from .chain import Account, Endpoint, reach
from .errors import Error, UsageError

#: Which scores the registry is told are better.
Score = Literal["unspecified", "higher_is_better", "lower_is_better"]


class Setup:
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
        return _deployment(self._own.deployment())

    def _model(self) -> Path | None:
        self._check_folder()
        path = self.folder / _kept.MODEL
        # Without the file of columns the setup is the command line's, of a file elsewhere.
        return path if _kept.is_file(path) and _kept.is_file(self.folder / _kept.COLUMNS) else None

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

    def _proof_of(self, proof: Proof | StrPath) -> _verdict.Proof:
        if isinstance(proof, Proof):
            return proof._own
        (path,) = _check.paths("proof", [proof])
        return _verdict.Proof.read(path)

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

    def verify(self, proof: Proof | StrPath) -> Verified:
        """Checks a proof, or a file of one. The public part of the setup is enough.

        Raises:
            InvalidProofError: it does not hold, or is not about this setup.
        """
        own = self._proof_of(proof)
        found = json.loads(_verdict.verify(self._own, own))
        stated = self._proof(own)
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

        Args:
            samples: how many, 2 to 4096.
            metric: "accuracy" counts right answers, "error" adds up how far they are off.
            threshold: from which score on the class is 1, of a single score; 0.5 by default.
            groups: whether approvals of two groups are counted, too.
            expected: the least and the greatest that may be expected, of numbers and labels. They are
                public: bounds that hold for any samples say nothing of these.
            out: the folder to write; by default this one's name with "-test".
            srs: an SRS of as many powers as it takes; this setup's by default.
            dev_srs: to use a development SRS instead; by default if this setup has one.
            progress: see :func:`verdict.setup`.

        Raises:
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
        metric: Metric = "accuracy",
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
        far off they are, and how many of two groups are approved.

        Args:
            x: the samples, as for :meth:`prove`, shape [rows, …].
            y: what is expected of each, shape [rows]: its class, one of :attr:`classes` or, where these
                are not known, its position from 0; or a number if the metric is "error".
            groups: 0 or 1 for each sample, shape [rows], or booleans: approvals, answers of class 1, are
                counted for each group.
            metric, threshold, expected, out, srs, dev_srs: as for :meth:`test`.
            test: a test that was made before.
            commitment: the file with the commitment and its salt; written if there is none. Keep it to
                prove about the same samples again; it is as secret as they are.
            progress: see :func:`verdict.setup`.

        Returns:
            The figures and their proof, which verifies.

        Raises:
            InputError: x, y or groups do not fit; it names the row.
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
            _path(solc),
            self._threads,
            callback(progress),
        )
        return Report(json.loads(found), page)

    def solidity(self, *, solc: StrPath | None = None, progress: Progress = None) -> Solidity:
        """Generates and compiles the contracts.

        Raises:
            Error: there is no solc, or it refuses the source.
        """
        return Solidity(*self._own.contracts(_path(solc), callback(progress)))

    def gas(self, *, solc: StrPath | None = None, progress: Progress = None) -> dict[str, Any]:
        """Runs a verification in an EVM: its gas, part by part, as ``verdict codegen --explain``."""
        return dict(json.loads(self._own.gas(_path(solc), callback(progress))))

    def deploy(
        self,
        account: Account | None = None,
        *,
        chain: Endpoint | None = None,
        chain_id: int | None = None,
        confirmations: int | None = None,
        database: StrPath | None = None,
        registry: str | None = None,
        oracle: str | None = None,
        time_to_live: int = 86_400,
        score: Score = "unspecified",
        attestors: Sequence[str] | str = (),
        threshold: int | None = None,
        signers: str | None = None,
        schema: str | None = None,
        source: str | None = None,
        partial: bool = False,
        solc: StrPath | None = None,
        force_insecure_srs: bool = False,
        progress: Progress = None,
    ) -> Deployment:
        """Deploys verifier, key, registry and oracle, and registers the model. What is there already
        is not deployed again.

        Args:
            account: who sends; the key in VERDICT_PRIVATE_KEY by default.
            chain: endpoints, http://127.0.0.1:8545 by default, or a :class:`LocalChain`.
            chain_id: refuse any other chain.
            confirmations: blocks after which a transaction counts as final.
            database: where what is sent is kept; one for each chain and sender by default.
            registry: a registry that exists already.
            oracle: an oracle of the account's that exists already.
            time_to_live: seconds for which a recorded score counts as fresh.
            score: "higher_is_better", "lower_is_better", or "unspecified".
            attestors: data providers to propose, addresses; each accepts with :meth:`accept`.
            threshold: how many of them have to vouch for an input.
            signers: a registry of data providers that exists already.
            schema: what inputs mean, 32 bytes that the providers know it by.
            source: a contract where the oracle reads inputs instead.
            partial: take attestors or a source although some inputs are private beside those that
                proofs state: nobody vouches for these.
            solc: the Solidity compiler.
            force_insecure_srs: deploy to a public chain although the SRS is a development one.
            progress: see :func:`verdict.setup`.

        Raises:
            RejectedError: a contract refuses, or the SRS is insecure and the chain public.
            UnreachableError: no node answers.
            PendingError: a transaction is under way; the same call waits for it.
        """
        _check.choice("score", score, ("higher_is_better", "lower_is_better", "unspecified"))
        options = {
            "registry": registry,
            "oracle": oracle,
            "time_to_live": _check.whole("time_to_live", time_to_live, least=1),
            "score": score,
            "attestors": _check.names("attestors", attestors),
            "threshold": _check.optional("threshold", threshold, least=1, most=255),
            "signers": signers,
            "schema": schema,
            "source": source,
            "partial": partial,
            "force_insecure_srs": force_insecure_srs,
        }
        found = _verdict.deploy(
            self._own,
            account or Account.from_env(),
            reach(chain, chain_id, confirmations, database),
            json.dumps(options),
            _path(solc),
            callback(progress),
        )
        return _deployment(found)

    def attach(
        self,
        oracle: str,
        *,
        chain: Endpoint | None = None,
        model_id: int | None = None,
        solc: StrPath | None = None,
        progress: Progress = None,
    ) -> Deployment:
        """Uses an oracle that somebody else deployed, after checking that it has this model."""
        found = _verdict.attach(
            self._own,
            reach(chain),
            oracle,
            _check.optional("model_id", model_id),
            _path(solc),
            callback(progress),
        )
        return _deployment(found)

    def submit(
        self,
        proof: Proof | StrPath,
        account: Account | None = None,
        *,
        chain: Endpoint | None = None,
        chain_id: int | None = None,
        confirmations: int | None = None,
        database: StrPath | None = None,
        attestations: Sequence[StrPath] | StrPath = (),
        progress: Progress = None,
    ) -> Submission:
        """Takes a proof to the chain, and waits until it is final.

        Args:
            proof: one that was made for a subject, or the file of one.
            account: who sends; the key in VERDICT_PRIVATE_KEY by default.
            chain: endpoints, or a :class:`LocalChain`.
            chain_id: refuse any other chain.
            confirmations: blocks after which it counts as final.
            database: where what is sent is kept.
            attestations: a file, or files, of the statements that the model demands, see :meth:`attest`.
            progress: see :func:`verdict.setup`.

        Raises:
            RejectedError: a contract refused, or another score stands on chain.
            PendingError: a transaction is under way; the same call waits for it.
            KeyboardInterrupt: on Ctrl-C; what was sent is taken up by the same call.
        """
        found = json.loads(
            _verdict.submit(
                self._own,
                self._proof_of(proof),
                account or Account.from_env(),
                reach(chain, chain_id, confirmations, database),
                _check.paths("attestations", attestations),
                callback(progress),
            )
        )
        records = tuple(
            Record(
                own["subject"],
                own["score"],
                own["nonce"],
                own["updated_at"],
                tuple(own["signers"]),
            )
            for own in found["records"]
        )
        return Submission(
            records, found["transaction"], found["block"], found["gas"], found["model_id"]
        )

    def commit(self, x: Any, out: StrPath) -> list[str]:
        """Commits to inputs with random salts, of a setup with `commit_inputs`. The file that is
        written is as secret as the inputs.

        Returns:
            A commitment for each row: what proofs state instead of the inputs.
        """
        with self._layout.naming():
            return _verdict.commit(self._own, self._layout.samples(x), _check.beside(out))

    def attest(
        self,
        x: Any,
        subject: str,
        out: StrPath,
        account: Account | None = None,
        *,
        commitment: StrPath | None = None,
        valid_for: int = 86_400,
        contract: str | None = None,
        partial: bool = False,
    ) -> dict[str, Any]:
        """Vouches for a subject's inputs: signs that they are what a proof says. No chain is asked.

        Args:
            x: one row, as for :meth:`prove`.
            subject: whose inputs these are, an address.
            out: where to write the attestation.
            account: who signs; the key in VERDICT_PRIVATE_KEY by default.
            commitment: of a setup that commits to inputs, the file that :meth:`commit` wrote.
            valid_for: seconds for which the statement is valid.
            contract: the contract in whose name the key signs (ERC-1271).
            partial: vouch for the inputs that proofs state although others are private.

        Returns:
            What the file holds.
        """
        with self._layout.naming():
            found = _verdict.attest(
                self._own,
                account or Account.from_env(),
                self._layout.samples(x),
                subject,
                _check.beside(out),
                _path(commitment),
                _check.whole("valid_for", valid_for, least=1, most=_check.MOST // 2),
                contract,
                partial,
            )
        return dict(json.loads(found))

    def accept(
        self,
        account: Account | None = None,
        *,
        chain: Endpoint | None = None,
        progress: Progress = None,
    ) -> int:
        """Accepts to be one of the deployment's data providers.

        Returns:
            The Unix time from which on statements count.
        """
        return _verdict.accept(
            self._own, account or Account.from_env(), reach(chain), callback(progress)
        )

    def __repr__(self) -> str:
        insecure = ", INSECURE development SRS" if self.insecure_srs else ""
        count = f", batches of {self.batch}" if self.batch > 1 else ""
        inputs = len(self.manifest["input"]["ranges"])
        return (
            f"Setup({str(self.folder)!r}: {inputs} inputs to {', '.join(self.outputs)}{count}{insecure})"
        )


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _reopened(folder: str, srs: str | None, threads: int, setup_id: str) -> Setup:
    """A setup that another process had open."""
    setup = Setup.open(folder, srs=srs, threads=threads)
    if setup.id != setup_id:
        raise Error(f"{folder} holds another setup now ({setup.id}) than the one given ({setup_id})")
    return setup


def _deployment(text: str) -> Deployment:
    found = json.loads(text)
    return Deployment(
        found["chain_id"],
        found["oracle"],
        found["registry"],
        found["verifier"],
        found["key"],
        found["model_id"],
        found["verification_hash"],
        found["setup_id"],
        found.get("attestations"),
    )
