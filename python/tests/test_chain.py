"""Deployed and recorded on a chain of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import pytest

import verdict

from conftest import SUBJECT

pytestmark = [pytest.mark.small, pytest.mark.chain]


@pytest.fixture(scope="module")
def chain(state: Path) -> Iterator[verdict.LocalChain]:
    with verdict.LocalChain() as chain:
        yield chain


@pytest.fixture(scope="module")
def account(chain: verdict.LocalChain) -> verdict.Account:
    return chain.account()


def test_a_score_is_recorded_once(
    credit: verdict.Setup,
    applicant: list[float],
    chain: verdict.LocalChain,
    account: verdict.Account,
) -> None:
    with pytest.raises(verdict.Error, match="not deployed"):
        credit.prove(applicant, subject=SUBJECT, chain=chain)
    deployment = credit.deploy(account, chain=chain, score="higher_is_better")
    assert deployment.chain_id == 31_337 and credit.deployment == deployment
    # What is there is not deployed again.
    assert credit.deploy(account, chain=chain, score="higher_is_better") == deployment
    proof = credit.prove(applicant, subject=SUBJECT, chain=chain)
    (request,) = proof.requests
    assert request["nonce"] == 1 and request["oracle"].lower() == deployment.oracle.lower()
    submitted = credit.submit(proof, account, chain=chain)
    assert submitted.score == pytest.approx(float(proof.output[0, 0]), abs=10.0**-proof.decimals)
    assert submitted.gas and 200_000 < submitted.gas < 500_000
    assert submitted.records[0].subject.lower() == SUBJECT.lower()
    # The same again is the same record, of no further transaction.
    assert credit.submit(proof, account, chain=chain).records == submitted.records
    # The next request has the next nonce.
    again = credit.prove(applicant, subject=SUBJECT, chain=chain)
    assert again.requests[0]["nonce"] == 2


def test_what_stands_on_chain_is_not_replaced(
    credit: verdict.Setup,
    applicant: list[float],
    chain: verdict.LocalChain,
    account: verdict.Account,
) -> None:
    credit.deploy(account, chain=chain, score="higher_is_better")
    subject = "0x00000000000000000000000000000000000000a2"
    first = credit.prove(applicant, subject=subject, nonce=5)
    late = credit.prove([applicant[0], applicant[1] - 1, *applicant[2:]], subject=subject, nonce=4)
    credit.submit(first, account, chain=chain)
    with pytest.raises(verdict.RejectedError):
        credit.submit(late, account, chain=chain)
    with pytest.raises(verdict.Error, match="no request|answers no"):
        credit.submit(credit.prove(applicant), account, chain=chain)
    with pytest.raises(verdict.UsageError, match="'0xabc', which is no address|\"0xabc\""):
        credit.prove(applicant, subject="0xabc", chain=chain)


def test_a_batch_is_recorded_together(
    make: Callable[..., verdict.Setup],
    applicant: list[float],
    examples: Path,
    chain: verdict.LocalChain,
    account: verdict.Account,
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json", batch=2)
    setup.deploy(account, chain=chain, score="higher_is_better")
    subjects = [f"0x{index:040x}" for index in (11, 12)]
    other = [applicant[0], applicant[1] - 30, *applicant[2:]]
    proof = setup.prove([applicant, other], subject=subjects, chain=chain)
    records = setup.submit(proof, account, chain=chain).records
    assert [int(own.subject, 16) for own in records] == [11, 12]
    np.testing.assert_allclose([own.score for own in records], proof.output[:, 0], atol=1e-6)


def test_no_node_is_unreachable(credit: verdict.Setup, account: verdict.Account) -> None:
    with pytest.raises(verdict.UnreachableError) as nobody:
        credit.deploy(account, chain="http://127.0.0.1:9")
    assert nobody.value.kind == "unreachable"
    with pytest.raises(verdict.Error, match="anvil"):
        verdict.LocalChain(anvil="/no/such/anvil")


def test_attested_inputs(
    make: Callable[..., verdict.Setup],
    applicant: list[float],
    examples: Path,
    account: verdict.Account,
    chain: verdict.LocalChain,
    tmp_path: Path,
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json", public_inputs=True)
    provider = chain.account()
    setup.deploy(
        account, chain=chain, score="higher_is_better", attestors=[provider.address], threshold=1
    )
    assert setup.deployment and setup.deployment.attestations
    counts_from = setup.accept(provider, chain=chain)
    chain.pass_time(3 * 86_400)
    subject = "0x00000000000000000000000000000000000000a3"
    path = tmp_path / "attestation.json"
    statement = setup.attest(applicant, subject, path, provider, valid_for=20 * 86_400)
    assert statement["statement"]["signer"].lower() == provider.address.lower()
    assert json.loads(path.read_text()) == statement and counts_from > 0
    proof = setup.prove(applicant, subject=subject, chain=chain, valid_for=20 * 86_400)
    with pytest.raises(verdict.Error, match="attest|vouch"):
        setup.submit(proof, account, chain=chain)
    submitted = setup.submit(proof, account, chain=chain, attestations=[path])
    assert [own.lower() for own in submitted.records[0].signers] == [provider.address.lower()]


def test_contracts_and_gas(credit: verdict.Setup) -> None:
    contracts = credit.solidity()
    assert f"contract {contracts.name}" in contracts.source
    assert contracts.runtime and len(contracts.key) > 100 and contracts.creation != contracts.runtime
    gas = credit.gas()
    assert 200_000 < gas["later"]["today"] < gas["first"]["today"] < 500_000
    with pytest.raises(verdict.Error, match="/no/such/solc"):
        credit.solidity(solc="/no/such/solc")


def test_a_report_has_gas_and_shows_itself(
    credit: verdict.Setup, examples: Path, tmp_path: Path
) -> None:
    content = json.loads((examples / "credit" / "applicants.json").read_text())
    rows = [own["input"] for own in content["applicants"]]
    report = credit.report(rows, thresholds=[0.5])
    assert report.largest_error < 1e-3 and "value" in report.data["gas"]
    assert report._repr_html_().startswith("<iframe srcdoc=")
    path = report.save(tmp_path / "report.html")
    assert path.stat().st_mode & 0o777 == 0o600 and "</html>" in path.read_text()
    with pytest.raises(verdict.Error, match="no output is called"):
        credit.report(rows, thresholds=["nothing=1"])
