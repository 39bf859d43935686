"""Setups that are made again from the model's file, and structured reference strings of ceremonies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Callable

import numpy as np
import pytest

import verdict

pytestmark = pytest.mark.small


def test_a_setup_is_made_again_from_its_file(
    make: Callable[..., verdict.Setup], examples: Path, tmp_path: Path
) -> None:
    folder = examples / "credit"
    ranges = folder / "ranges.json"
    setup = make(folder / "logistic.onnx", ranges=ranges, public_weights=True)
    test = setup.test(4, groups=True, out=tmp_path / "test")
    # Both are of one file, which links them: the public parts are enough.
    for own in (setup, test):
        public = verdict.Setup.open(own.folder / "public")
        checked = public.check(folder / "logistic.onnx")
        assert checked.equal and checked.insecure_srs and checked.setup_id == own.id
        assert checked.model_hash == setup.manifest["model"]["hash"]
        with pytest.raises(verdict.Error, match="the hash of the model's file"):
            public.check(folder / "model.onnx")
    with pytest.raises(verdict.Error, match="cannot read"):
        setup.check(tmp_path / "none.onnx")
    with pytest.raises(verdict.UsageError, match="onnx has 5"):
        setup.check(5)  # type: ignore[arg-type]


def test_hidden_weights_are_checked_with_the_private_part(
    credit: verdict.Setup, examples: Path, tmp_path: Path
) -> None:
    model = examples / "credit" / "logistic.onnx"
    assert credit.check(model).setup_id == credit.id
    shutil.copytree(credit.folder / "public", tmp_path / "public")
    with pytest.raises(verdict.Error, match="hides its weights"):
        verdict.Setup.open(tmp_path / "public").check(model)


def test_a_reference_string_is_imported(examples: Path, tmp_path: Path) -> None:
    out = tmp_path / "powers.srs"
    (tmp_path / "bad.ptau").write_bytes(b"ptau" + bytes(60))
    (tmp_path / "empty").write_bytes(b"")
    for name, words in (("none.ptau", "cannot read"), ("bad.ptau", "bad.ptau"), ("empty", "empty")):
        with pytest.raises(verdict.Error, match=words):
            verdict.import_srs(tmp_path / name, out)
    with pytest.raises(verdict.UsageError, match="k is 29; it is 28 at most"):
        verdict.import_srs(tmp_path / "bad.ptau", out, k=29)
    with pytest.raises(verdict.UsageError, match="out is"):
        verdict.import_srs(tmp_path / "bad.ptau", tmp_path / "nowhere" / "powers.srs")
    assert not out.exists()
    ceremony = examples.parent / "crates/prover/tests/fixtures/srs/ceremony-power-6.ptau"
    found = verdict.import_srs(ceremony, out, k=6)
    assert (found.path, found.k, found.insecure) == (out, 6, False)
    assert out.is_file() and found.origin == "ceremony" and len(found.fingerprint) == 64
    with pytest.raises(verdict.Error, match="largest k in this file is 6"):
        verdict.import_srs(ceremony, out, k=7)
    # It is what setup takes, and says how many powers are wanted.
    with pytest.raises(verdict.Error, match="k = 12 is wanted"):
        verdict.setup(
            examples / "credit" / "logistic.onnx",
            ranges=examples / "credit" / "ranges.json",
            out=tmp_path / "setup",
            srs=found.path,
        )
