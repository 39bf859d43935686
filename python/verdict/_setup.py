"""Setups, and what they do."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Union

from . import _verdict
from ._data import Layout
from ._progress import Progress, callback
from ._proof import Outputs, Proof, Verified, shaped
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

StrPath = Union[str, "PathLike[str]"]

#: Where a model that is no file of the user's is kept, and how columns fill it; with the private
#: part, as it is as private as that.
KEPT_MODEL = Path("private") / "model.onnx"
KEPT_COLUMNS = Path("private") / "columns.json"
#: Largest file of columns that is read.
MAX_COLUMNS_BYTES = 16 << 20


class Setup:
    """A model's keys and verifier: the folder that ``verdict setup`` writes too. With its public part
    alone one can verify, deploy and submit; proving takes both.

    Make one with :func:`verdict.setup`, or open a folder with :meth:`open`.
    """

    def __init__(
        self, own: _verdict.Setup, folder: Path, srs: StrPath | None = None, threads: int = 0
    ) -> None:
        self._own = own
        self.folder = folder
        self._srs = None if srs is None else Path(srs)
        self._threads = threads
        self._prover: _verdict.Prover | None = None
        self.manifest: dict[str, Any] = json.loads(own.manifest())
        self._layout = self._read_layout()

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
        return cls(_verdict.Setup.open(Path(folder)), Path(folder), srs, threads)

    def _read_layout(self) -> Layout:
        tensors = self.manifest["model"]["inputs"]
        path = self.folder / KEPT_COLUMNS
        if not path.is_file():
            return Layout(tensors, None, True)
        malformed = f"{path}: not a file of columns"
        if path.stat().st_size > MAX_COLUMNS_BYTES:
            raise Error(f"{malformed}: it is larger than {MAX_COLUMNS_BYTES >> 20} MiB")
        try:
            content = json.loads(path.read_bytes())
            version, columns, matrix = content["version"], content["columns"], content["matrix"]
        except (ValueError, KeyError, TypeError) as error:
            raise Error(f"{malformed}: {error}") from error
        sizes = len(self.manifest["input"]["ranges"]), len(tensors)
        named = columns is None or (
            isinstance(columns, list)
            and all(isinstance(name, str) for name in columns)
            and len(columns) == sizes[0 if matrix else 1]
        )
        if version != Layout.VERSION or not named:
            raise Error(f"{malformed} of this setup")
        return Layout(tensors, columns, bool(matrix))

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
        path = self.folder / KEPT_MODEL
        return path if path.is_file() else None

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
        if self._prover is None:
            self._prover = _verdict.Prover.open(self.folder, self._srs, self._threads, told)
        path = None if commitment is None else Path(commitment)
        with self._layout.naming():
            own = self._prover.prove(samples, answered, path, told)
        return Proof(own, self.manifest["output"]["tensors"], self.batch)

    def prove_each(self, x: Any, *, progress: Progress = None) -> Iterator[Proof]:
        """Proves rows one after the other, without subjects; of a batch, as many at a time."""
        rows = json.loads(self._layout.samples(x))
        if len(rows) % self.batch:
            raise UsageError(f"x has {len(rows)} rows, not a multiple of the batch {self.batch}")
        told = callback(progress)
        if self._prover is None:
            self._prover = _verdict.Prover.open(self.folder, self._srs, self._threads, told)
        for at in range(0, len(rows), self.batch):
            samples = json.dumps(rows[at : at + self.batch])
            with self._layout.naming():
                own = self._prover.prove(samples, "[]", None, told)
            yield Proof(own, self.manifest["output"]["tensors"], self.batch)

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
            return json.dumps([dict(own) for own in requests])
        if subject is None:
            return "[]"
        if valid_for < 1:
            raise UsageError(f"valid_for is {valid_for}; a proof is valid for a second or more")
        subjects = [subject] if isinstance(subject, str) else list(subject)
        nonces = [nonce] if isinstance(nonce, int) else (None if nonce is None else list(nonce))
        return _verdict.next_nonce(self._own, reach(chain), subjects, nonces, valid_for)

    def verify(self, proof: Proof | StrPath) -> Verified:
        """Checks a proof, or a file of one. The public part of the setup is enough.

        Raises:
            InvalidProofError: it does not hold, or is not about this setup.
        """
        own = proof._own if isinstance(proof, Proof) else _verdict.Proof.read(Path(proof))
        found = json.loads(_verdict.verify(self._own, own))
        return Verified(
            found["model"],
            found["setup_id"],
            shaped(own.outputs(self.batch), self._model_outputs()),
            found["decimals"],
            found["insecure_srs"],
        )

    def load_proof(self, path: StrPath) -> Proof:
        """Reads a proof of this setup from a file, and verifies it.

        Raises:
            InvalidProofError: it does not hold, or is not about this setup.
            Error: it is no proof.
        """
        own = _verdict.Proof.read(Path(path))
        _verdict.verify(self._own, own)
        return Proof(own, self._model_outputs(), self.batch)

    def inspect(self, *, progress: Progress = None) -> Inspection:
        """What the model costs, node by node; the private part is needed."""
        return Inspection(json.loads(self._own.inspect(self._model(), callback(progress))))

    def report(
        self,
        data: Any,
        *,
        thresholds: Sequence[float | str] | float = (),
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
        several = [thresholds] if isinstance(thresholds, (int, float)) else list(thresholds)
        found, page = _verdict.report(
            self._own,
            self._layout.samples(data),
            [str(own) for own in several],
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
        score: str = "unspecified",
        attestors: Sequence[str] = (),
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
        if score not in ("unspecified", "higher_is_better", "lower_is_better"):
            raise UsageError(
                f"score is {score!r}; it is 'higher_is_better', 'lower_is_better' or 'unspecified'"
            )
        options = {
            "registry": registry,
            "oracle": oracle,
            "time_to_live": time_to_live,
            "score": score,
            "attestors": list(attestors),
            "threshold": threshold,
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
            self._own, reach(chain), oracle, model_id, _path(solc), callback(progress)
        )
        return _deployment(found)

    def submit(
        self,
        proof: Proof,
        account: Account | None = None,
        *,
        chain: Endpoint | None = None,
        chain_id: int | None = None,
        confirmations: int | None = None,
        database: StrPath | None = None,
        attestations: Sequence[StrPath] = (),
        progress: Progress = None,
    ) -> Submission:
        """Takes a proof to the chain, and waits until it is final.

        Args:
            proof: one that was made for a subject.
            account: who sends; the key in VERDICT_PRIVATE_KEY by default.
            chain: endpoints, or a :class:`LocalChain`.
            chain_id: refuse any other chain.
            confirmations: blocks after which it counts as final.
            database: where what is sent is kept.
            attestations: files of the statements that the model demands, see :meth:`attest`.
            progress: see :func:`verdict.setup`.

        Raises:
            RejectedError: a contract refused, or another score stands on chain.
            PendingError: a transaction is under way; the same call waits for it.
            KeyboardInterrupt: on Ctrl-C; what was sent is taken up by the same call.
        """
        found = json.loads(
            _verdict.submit(
                self._own,
                proof._own,
                account or Account.from_env(),
                reach(chain, chain_id, confirmations, database),
                [Path(own) for own in attestations],
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
            return _verdict.commit(self._own, self._layout.samples(x), Path(out))

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
                Path(out),
                _path(commitment),
                valid_for,
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
