"""What a setup does on a chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Sequence

from . import _check, _verdict
from ._check import StrPath
from ._data import Layout
from ._progress import Progress, callback
from ._proof import Proof
from ._results import Deployment, Record, Submission
from .chain import Account, Endpoint, reach

#: Which scores the registry is told are better.
Score = Literal["unspecified", "higher_is_better", "lower_is_better"]


class OnChain:
    """The part of :class:`~verdict.Setup` that sends transactions and signs statements."""

    _own: _verdict.Setup
    _layout: Layout

    def _proof_of(self, proof: Proof | StrPath) -> _verdict.Proof:
        if isinstance(proof, Proof):
            return proof._own
        (path,) = _check.paths("proof", [proof])
        return _verdict.Proof.read(path)

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
            path_or_none(solc),
            callback(progress),
        )
        return deployment_of(found)

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
            path_or_none(solc),
            callback(progress),
        )
        return deployment_of(found)

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
                path_or_none(commitment),
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


def path_or_none(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def deployment_of(text: str) -> Deployment:
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
