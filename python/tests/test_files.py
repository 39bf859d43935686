"""Setups and proofs from files, which need numpy only: the part that `make test` runs."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

import verdict

pytestmark = pytest.mark.small


def test_a_proof_says_what_the_model_says(credit: verdict.Setup, applicant: list[float]) -> None:
    proof = credit.prove(applicant)
    assert proof.output.shape == (1, 1)
    float_model = credit.predict(applicant)[credit.outputs[0]]
    np.testing.assert_allclose(proof.output, float_model, atol=1e-3)
    verified = credit.verify(proof)
    assert verified.insecure_srs and proof.insecure_srs
    np.testing.assert_array_equal(verified.outputs[credit.outputs[0]], proof.output)
    assert 500 < len(proof.bytes) < 5000
    assert proof.requests == []


def test_arrays_lists_rows_and_dicts_are_the_same_input(
    credit: verdict.Setup, applicant: list[float]
) -> None:
    row = np.array(applicant)
    name = credit.manifest["model"]["inputs"][0]["name"]
    wanted = credit.predict(row)[credit.outputs[0]]
    for same in (applicant, row[None], row.astype(int), {name: row}, {name: row[None]}):
        np.testing.assert_array_equal(credit.predict(same)[credit.outputs[0]], wanted)


def test_files_are_the_command_lines(
    credit: verdict.Setup, applicant: list[float], tmp_path: Path
) -> None:
    path = credit.prove(applicant).save(tmp_path / "proof.json")
    assert verdict.Setup.open(credit.folder / "public").verify(path).model == "logistic"
    again = verdict.Setup.open(credit.folder).load_proof(path)
    assert again.to_dict() == json.loads(path.read_text())
    program = os.environ.get("VERDICT")
    if program is None:
        pytest.skip("VERDICT names no program")
    run = lambda *words: json.loads(
        subprocess.run([program, *map(str, words), "--json"], check=True, capture_output=True).stdout
    )
    assert run("verify", credit.folder, path)["valid"] is True
    sample = tmp_path / "input.json"
    sample.write_text(json.dumps(applicant))
    run("prove", credit.folder, "--input", sample, "--out", tmp_path / "theirs.json")
    theirs = credit.load_proof(tmp_path / "theirs.json")
    np.testing.assert_array_equal(theirs.output, again.output)


def test_a_changed_proof_is_refused_with_the_command_lines_words(
    credit: verdict.Setup, applicant: list[float], tmp_path: Path
) -> None:
    path = credit.prove(applicant).save(tmp_path / "proof.json")
    content = json.loads(path.read_text())
    content["outputs"][0] = str(int(content["outputs"][0]) + 1)
    content["decoded"][0] += 10.0 ** -content["decimals"]
    path.write_text(json.dumps(content))
    with pytest.raises(verdict.InvalidProofError, match="output 0 is said to be") as refused:
        credit.verify(path)
    assert refused.value.kind == "invalid_proof"
    path.write_text("{")
    with pytest.raises(verdict.Error):
        credit.verify(path)


def test_a_file_of_another_setup_says_so_and_what_to_do(
    credit: verdict.Setup,
    applicant: list[float],
    make: Callable[..., verdict.Setup],
    examples: Path,
) -> None:
    other = make(
        examples / "credit" / "logistic.onnx",
        ranges=examples / "credit" / "ranges.json",
        optimize="time",
    )
    with pytest.raises(verdict.InvalidProofError, match="the setup's is") as refused:
        other.verify(credit.prove(applicant))
    assert refused.value.hint == "verify it with the setup it was made with"
    assert str(refused.value).endswith(f"hint: {refused.value.hint}")


def test_inputs_that_do_not_fit_are_named(credit: verdict.Setup, applicant: list[float]) -> None:
    with pytest.raises(verdict.InputError, match=r"shape \(19,\), the model takes \(20,\)"):
        credit.prove(applicant[:-1])
    with pytest.raises(verdict.InputError, match="element 3 of .* is nan"):
        credit.prove([*applicant[:3], float("nan"), *applicant[4:]])
    with pytest.raises(verdict.InputError, match="of type <U"):
        credit.prove(["a"] * 20)
    with pytest.raises(verdict.Error, match="outside its declared range"):
        credit.prove([1e9, *applicant[1:]])
    with pytest.raises(verdict.UsageError, match="2 rows, and a proof of this setup is of 1") as two:
        credit.prove([applicant, applicant])
    assert two.value.hint and "batch=2" in two.value.hint


def test_rows_are_proven_one_after_the_other(
    credit: verdict.Setup, applicant: list[float]
) -> None:
    proofs = list(credit.prove_each([applicant, applicant]))
    assert len(proofs) == 2 and proofs[0].output == proofs[1].output
    assert proofs[0].bytes != proofs[1].bytes


def test_a_batch_is_one_proof(
    make: Callable[..., verdict.Setup], applicant: list[float], examples: Path
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json", batch=3)
    proof = setup.prove([applicant] * 3)
    assert setup.batch == 3 and proof.output.shape == (3, 1)
    setup.verify(proof)
    with pytest.raises(verdict.UsageError, match="give 3 rows"):
        setup.prove(applicant)


def test_commitments_stand_for_inputs(
    make: Callable[..., verdict.Setup], applicant: list[float], examples: Path, tmp_path: Path
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json", commit_inputs=True)
    with pytest.raises(verdict.Error, match="no salt is given"):
        setup.prove(applicant)
    path = tmp_path / "commitment.json"
    (commitment,) = setup.commit(applicant, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    proof = setup.prove(applicant, commitment=path)
    assert commitment in proof.to_dict()["instances"]
    setup.verify(proof)
    with pytest.raises(verdict.Error, match="of other inputs"):
        setup.prove([applicant[0] + 1, *applicant[1:]], commitment=path)


def test_costs_are_known_before_any_key(examples: Path, credit: verdict.Setup) -> None:
    folder = examples / "credit"
    found = verdict.inspect(folder / "logistic.onnx", ranges=folder / "ranges.json")
    assert found.rows == credit.inspect().rows
    assert 200_000 < found.gas < 400_000 and found.error < 1e-3
    assert sum(node["rows"] for node in found.nodes) <= found.rows
    assert "dominated by" in repr(found) and "<table>" in found._repr_html_()


def test_what_is_missing_or_wrong_is_said(examples: Path, tmp_path: Path) -> None:
    model = examples / "credit" / "logistic.onnx"
    ranges = examples / "credit" / "ranges.json"
    with pytest.raises(verdict.Error, match="SRS") as none:
        verdict.setup(model, ranges=ranges, out=tmp_path / "setup")
    assert none.value.hint
    with pytest.raises(verdict.UsageError, match="ranges are not known"):
        verdict.setup(model, out=tmp_path / "setup", dev_srs=True)
    with pytest.raises(verdict.Error, match="no/such"):
        verdict.setup("no/such.onnx", ranges=(0, 1), out=tmp_path / "setup", dev_srs=True)
    with pytest.raises(verdict.Error):
        verdict.setup(b"no model", ranges=(0, 1), out=tmp_path / "setup", dev_srs=True)
    with pytest.raises(verdict.Error, match="no output|outputs|nothing") as unknown:
        verdict.inspect(model, ranges=ranges, outputs="nothing")
    assert unknown.value.message
    with pytest.raises(verdict.ModelError, match="object, which is of no kind"):
        verdict.setup(object(), ranges=(0, 1), out=tmp_path / "setup", dev_srs=True)
    with pytest.raises(verdict.Error, match="not a setup|no setup|manifest"):
        verdict.Setup.open(tmp_path)
    assert not (tmp_path / "setup").exists()


def test_an_insecure_srs_is_warned_of(examples: Path, tmp_path: Path) -> None:
    folder = examples / "credit"
    with pytest.warns(verdict.InsecureSRSWarning, match="can forge proofs"):
        setup = verdict.setup(
            folder / "logistic.onnx",
            ranges=folder / "ranges.json",
            out=tmp_path / "setup",
            dev_srs=True,
        )
    assert setup.insecure_srs and "INSECURE" in repr(setup)


def test_progress_is_told_in_order(credit: verdict.Setup, applicant: list[float]) -> None:
    told: list[tuple[str, str, float]] = []
    verdict.Setup.open(credit.folder).prove(applicant, progress=lambda *event: told.append(event))
    steps = [(event, text) for event, text, _ in told if event in ("begin", "end")]
    assert steps == [
        ("begin", "read the keys"),
        ("end", "read the keys"),
        ("begin", "prove the model on a sample"),
        ("end", "prove the model on a sample"),
    ]
    assert any(event == "stage" for event, _, _ in told)
    assert all(seconds > 0 for event, _, seconds in told if event == "end")


def test_an_error_in_the_callback_ends_the_work(
    credit: verdict.Setup, applicant: list[float]
) -> None:
    def fails(event: str, text: str, seconds: float) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        credit.prove(applicant, progress=fails)
    credit.verify(credit.prove(applicant))


def test_other_threads_run_meanwhile(credit: verdict.Setup, applicant: list[float]) -> None:
    counted, running = [0], [True]

    def count() -> None:
        while running[0]:
            counted[0] += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    for _ in range(3):
        credit.prove(applicant)
    running[0] = False
    thread.join()
    assert counted[0] - before > 20


def test_ctrl_c_is_a_keyboard_interrupt(examples: Path, tmp_path: Path) -> None:
    script = f"""
import verdict, sys
folder = {str(examples / "digits")!r}
print("started", flush=True)
try:
    verdict.setup(folder + "/model.onnx", ranges=folder + "/ranges.json", out={str(tmp_path / "s")!r},
                  dev_srs=True, progress=lambda *event: print(*event, flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("begin make the keys"):
            child.send_signal(signal.SIGINT)
            break
    rest = child.stdout.read()
    assert child.wait(timeout=60) == 7, rest
    assert "interrupted" in rest
    assert not (tmp_path / "s" / "public" / "manifest.json").exists()


def test_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "11" * 32
    monkeypatch.setenv("A_KEY", "0x" + key)
    account = verdict.Account.from_env("A_KEY")
    assert account.address.startswith("0x") and key not in repr(account) + str(account)
    monkeypatch.setenv("A_KEY", "0x" + key + "zz")
    with pytest.raises(verdict.Error, match="does not hold a private key") as wrong:
        verdict.Account.from_env("A_KEY")
    assert key not in str(wrong.value) + repr(wrong.value)
    monkeypatch.delenv("A_KEY")
    with pytest.raises(verdict.Error, match="A_KEY is not set"):
        verdict.Account.from_env("A_KEY")


def test_a_setup_that_fails_leaves_the_one_before(
    make: Callable[..., verdict.Setup], examples: Path
) -> None:
    folder = examples / "credit"
    content, ranges = (folder / "logistic.onnx").read_bytes(), folder / "ranges.json"
    setup = make(content, ranges=ranges)
    with pytest.raises(verdict.Error, match="SRS"):
        verdict.setup(content, ranges=ranges, out=setup.folder)
    again = verdict.Setup.open(setup.folder)
    assert again.id == setup.id and again.inspect().rows > 0


def test_what_is_private_is_its_owners_alone(
    make: Callable[..., verdict.Setup], examples: Path
) -> None:
    folder = examples / "credit"
    setup = make((folder / "logistic.onnx").read_bytes(), ranges=folder / "ranges.json")
    for name in ("model.onnx", "columns.json"):
        assert stat.S_IMODE((setup.folder / "private" / name).stat().st_mode) == 0o600
    # The model was bytes: what is kept serves the report and the command line.
    assert setup.inspect().rows > 0
    assert json.loads(setup._own.inspect(None))["model"] == "model"
