"""Arguments, and what proofs and tables say of themselves. NumPy only."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import verdict
from verdict import _data, _ranges
from verdict.errors import in_python

pytestmark = pytest.mark.small

Make = Callable[..., verdict.Setup]


def columns(examples: Path) -> dict[str, list[float]]:
    rows = json.loads((examples / "credit" / "applicants.json").read_text())["applicants"]
    return {f"c{i}": [own["input"][i] for own in rows] for i in range(20)}


@pytest.fixture(scope="module")
def stated(make: Make, examples: Path) -> verdict.Setup:
    return make(examples / "credit" / "logistic.onnx", columns(examples), public_inputs=True)


def test_a_proof_says_which_inputs_it_states(stated: verdict.Setup, examples: Path) -> None:
    row = {name: values[0] for name, values in columns(examples).items()}
    proof = stated.prove(row)
    for found in (proof, stated.verify(proof)):
        assert found.inputs is not None and found.commitments is None
        assert list(found.inputs) == stated.columns
        assert {name: float(values[0]) for name, values in found.inputs.items()} == row
    assert proof.commitment is None


def test_a_batch_states_the_inputs_of_each(make: Make, examples: Path) -> None:
    model, each = examples / "credit" / "logistic.onnx", columns(examples)
    setup = make(model, each, public_inputs=True, batch=2)
    proof = setup.prove({name: values[:2] for name, values in each.items()})
    assert proof.inputs is not None
    for name, values in each.items():
        np.testing.assert_array_equal(proof.inputs[name], values[:2])


def test_a_proof_says_which_commitment_it_states(
    make: Make, applicant: list[float], examples: Path, tmp_path: Path
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json", commit_inputs=True)
    (commitment,) = setup.commit(applicant, tmp_path / "c.json")
    proof = setup.prove(applicant, commitment=tmp_path / "c.json")
    assert proof.commitment == commitment and proof.inputs is None
    assert setup.verify(proof).commitments == [commitment]
    with pytest.raises(verdict.UsageError, match="which is in no folder that is there"):
        setup.commit(applicant, tmp_path / "no" / "such" / "c.json")


def test_private_inputs_are_not_stated(credit: verdict.Setup, applicant: list[float]) -> None:
    proof = credit.prove(applicant)
    assert proof.inputs is None and proof.commitment is None
    verified = credit.verify(proof)
    assert verified.inputs is None and verified.requests == [] and verified.subject is None
    # What is given out is not the proof's own.
    proof.to_dict()["srs"]["insecure"] = False
    assert proof.insecure_srs


def test_masked_values_are_missing(credit: verdict.Setup, applicant: list[float]) -> None:
    masked = np.ma.array([applicant], mask=[[False] * 19 + [True]])
    with pytest.raises(verdict.InputError, match="element 19 of .* is nan"):
        credit.prove(masked)
    np.testing.assert_array_equal(
        credit.prove(np.ma.array([applicant])).output, credit.prove(applicant).output
    )
    column = _data.table({"a": np.ma.array([1, 2], mask=[True, False])})["a"]
    assert np.isnan(column[0]) and column[1] == 2


def test_float32_is_read_as_its_shortest_decimals() -> None:
    numbers = np.random.default_rng(0)
    several = [
        numbers.normal(size=20_000),
        np.round(numbers.uniform(0, 1e5, 20_000), 2),
        numbers.integers(-99, 99, 500) / 10,
        10.0 ** numbers.uniform(-20, 20, 5_000),
        np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 0.1, -0.3]),
    ]
    for values in several:
        single = values.astype(np.float32)
        np.testing.assert_array_equal(_data.numbers(single), single.astype(str).astype(np.float64))


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (5, "ranges is 5; it is"),
        ((1, 2, 3), "ranges is"),
        ((2, 1), "lo below hi"),
        ((0, float("nan")), "it is a finite number"),
        ({"c0": 5}, r"ranges\['c0'\] is 5"),
        ({"c0": (0, "x")}, "it is a finite number"),
        ({"c0": {"mni": 0}}, r"ranges\['c0'\] has 'mni'"),
        ({"c0": {"min": 0, "max": 1, "decimals": 1.5}}, "decimals is 1.5; it is a whole number"),
    ],
)
def test_ranges_that_are_none_are_named(ranges: Any, said: str, examples: Path) -> None:
    with pytest.raises(verdict.UsageError, match=said):
        verdict.inspect(examples / "credit" / "logistic.onnx", columns(examples), ranges=ranges)


def test_ranges_are_of_numpy_too(examples: Path) -> None:
    each = columns(examples)
    declared = {name: (np.min(own) - 1, np.float32(np.max(own) + 1)) for name, own in each.items()}
    found = verdict.inspect(examples / "credit" / "logistic.onnx", ranges=(np.int64(0), np.int64(9)))
    assert found.rows > 0
    assert _ranges.checked("a", {"min": np.int64(0), "max": np.float32(1)}) == {"min": 0, "max": 1}
    verdict.inspect(examples / "credit" / "logistic.onnx", each, ranges=declared)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_error": float("nan")}, "target_error is nan"),
        ({"target_error": 0}, "target_error is 0.0; it is above 0"),
        ({"batch": -1}, "batch is -1; it is 1 or more"),
        ({"batch": "3"}, "batch is '3'; it is a whole number"),
        ({"decimals": 99}, "decimals is 99; it is 18 at most"),
        ({"optimize": "fast"}, "optimize is 'fast'; it is 'balanced', 'gas' or 'time'"),
        ({"missing": "wage"}, "missing names 'wage'"),
        ({"outputs": [1]}, "outputs has 1"),
    ],
)
def test_options_that_are_none_are_named(
    options: dict[str, Any], said: str, examples: Path
) -> None:
    with pytest.raises(verdict.UsageError, match=said):
        verdict.inspect(examples / "credit" / "logistic.onnx", columns(examples), **options)


def test_numbers_of_calls_are_checked_by_name(
    credit: verdict.Setup, applicant: list[float], tmp_path: Path
) -> None:
    with pytest.raises(verdict.UsageError, match="threads is -1; it is 0 or more"):
        verdict.Setup.open(credit.folder, threads=-1)
    with pytest.raises(verdict.UsageError, match="nonce is -1"):
        credit.prove(applicant, subject="0x" + "00" * 20, nonce=-1)
    with pytest.raises(verdict.UsageError, match="valid_for is 0"):
        credit.prove(applicant, subject="0x" + "00" * 20, valid_for=0)
    with pytest.raises(verdict.UsageError, match="requests has 'a'"):
        credit.prove(applicant, requests=["a"])  # type: ignore[list-item]
    with pytest.raises(verdict.UsageError, match="time_to_live is -5"):
        credit.deploy(None, time_to_live=-5)
    with pytest.raises(verdict.UsageError, match="port is 99999; it is 65535 at most"):
        verdict.LocalChain(port=99999)
    with pytest.raises(verdict.UsageError, match="out is empty"):
        verdict.setup("model.onnx", out="")
    chain = verdict.LocalChain.__new__(verdict.LocalChain)
    assert repr(chain) == "LocalChain(not started)"


def test_thresholds_are_numbers_or_words(credit: verdict.Setup, applicant: list[float]) -> None:
    name = credit.outputs[0]
    for thresholds in (f"{name}=0.5", np.float32(0.5), [0.5, f"{name}:0=0.7"]):
        assert credit.report([applicant], thresholds=thresholds).data["decisions"]


def test_words_of_the_command_line_are_pythons() -> None:
    said = in_python(
        "give --srs FILE (see `verdict srs import`), or --dev-srs to try things out; its path with "
        "--solc; a checkout of Verdict has one as scripts/solc after `npm ci`; run `verdict setup` again"
    )
    assert said == (
        "give srs=FILE (see verdict.import_srs), or dev_srs=True to try things out; its path with "
        "solc=; run verdict.setup again"
    )
    assert "LocalChain(anvil=" in in_python("anvil is not installed; run `npm ci`")
    # What is no argument here stays.
    assert in_python("raise it (--max-fee)") == "raise it (--max-fee)"


def test_hints_name_arguments(examples: Path, tmp_path: Path) -> None:
    folder = examples / "credit"
    with pytest.raises(verdict.Error) as none:
        verdict.setup(folder / "logistic.onnx", ranges=folder / "ranges.json", out=tmp_path / "s")
    assert none.value.hint and "srs=" in none.value.hint and "--" not in none.value.hint


def test_types_can_be_asked_for() -> None:
    for function in (
        verdict.setup,
        verdict.inspect,
        verdict.Setup.prove,
        verdict.Setup.deploy,
        verdict.Setup.submit,
        verdict.Setup.report,
        verdict.LocalChain.__init__,
    ):
        assert typing.get_type_hints(function)["return"] is not None
    assert typing.get_args(typing.get_type_hints(verdict.inspect)["optimize"]) == (
        "balanced",
        "gas",
        "time",
    )


def test_a_range_too_wide_for_its_decimals_says_so(examples: Path) -> None:
    each = {name: [value * 1e9 for value in own] for name, own in columns(examples).items()}
    with pytest.raises(verdict.Error, match=r"column 'c\d+' has .* more values than"):
        verdict.inspect(examples / "credit" / "logistic.onnx", each)


def test_no_rows_are_named(examples: Path) -> None:
    with pytest.raises(verdict.InputError, match="the data have no rows"):
        verdict.inspect(
            examples / "credit" / "logistic.onnx", {name: [] for name in columns(examples)}
        )
