"""The notebooks, run from their first cell to their last."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


@pytest.fixture
def runs_in(state: Path) -> str:
    """The notebooks' folder, whose node_modules above have anvil; what they write is removed."""
    before = set(NOTEBOOKS.iterdir())
    yield str(NOTEBOOKS)
    for path in set(NOTEBOOKS.iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def run(name: str, folder: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
    return client.execute(env=os.environ.copy())


def outputs(notebook: nbformat.NotebookNode, kind: str) -> str:
    data = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    return "\n".join(str(own.get(kind, "")) for own in data)


def lines(notebook: nbformat.NotebookNode) -> int:
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return sum(1 for text in code for line in text.splitlines() if line.strip())


def test_credit(runs_in: str) -> None:
    notebook = run("credit.ipynb", runs_in)
    assert lines(notebook) < 40
    shown = outputs(notebook, "text/plain")
    assert "Submission(" in shown and "31337" in outputs(notebook, "text/html")
    # Progress is one output of a cell, with a line a step.
    assert "✓ make the keys" in outputs(notebook, "text/html")


def test_attested(runs_in: str) -> None:
    notebook = run("attested.ipynb", runs_in)
    assert "signers=('0x" in outputs(notebook, "text/plain")


def test_digits(runs_in: str) -> None:
    notebook = run("digits.ipynb", runs_in)
    page = outputs(notebook, "text/html")
    assert "<iframe srcdoc=" in page and "dominated by" in page


def test_quality(runs_in: str) -> None:
    notebook = run("quality.ipynb", runs_in)
    said = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    )
    # The figures of docs/quality.md.
    assert "76.0% right; approved 65.5% of the young, 87.7% of the others" in said
    assert "difference +22.2%" in said
    assert "refused: the proof is of other samples: it states the commitment 0x" in said
    assert "[True, True]" in outputs(notebook, "text/plain")
