"""Threads, processes, folders that change: what a setup does when it is not alone. NumPy only."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import verdict
from verdict import _verdict

pytestmark = pytest.mark.small

Make = Callable[..., verdict.Setup]

#: A setup that another process has opened, told the sample to prove.
CHILD = """
import multiprocessing, pickle, signal, sys
import verdict

def child(queue, setup, sample):
    signal.alarm(60)
    try:
        queue.put(setup.prove(sample).output.tolist())
    except verdict.Error as error:
        queue.put(f"{error}")

if __name__ == "__main__":
    folder, method, sample = sys.argv[1], sys.argv[2], eval(sys.argv[3])
    setup = verdict.Setup.open(folder)
    if "proven" in sys.argv:
        setup.prove(sample)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, setup, sample))
    process.start()
    print(queue.get(timeout=60))
    process.join()
"""


def child(folder: Path, tmp_path: Path, *words: str) -> str:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(folder), *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_forked_process_says_that_it_cannot_prove(
    credit: verdict.Setup, applicant: list[float], tmp_path: Path
) -> None:
    said = child(credit.folder, tmp_path, "fork", repr(applicant), "proven")
    assert "was forked from process" in said and "spawn" in said
    # Before anything was proven there is nothing to lack.
    assert child(credit.folder, tmp_path, "fork", repr(applicant)) == str(
        credit.prove(applicant).output.tolist()
    )


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes_open_the_setup_again(
    method: str, credit: verdict.Setup, applicant: list[float], tmp_path: Path
) -> None:
    said = child(credit.folder, tmp_path, method, repr(applicant), "proven")
    assert said == str(credit.prove(applicant).output.tolist())


def test_setups_and_proofs_are_pickled_and_keys_are_not(
    credit: verdict.Setup, applicant: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = credit.prove(applicant)
    for again in (pickle.loads(pickle.dumps(proof)), copy.deepcopy(proof)):
        assert again.to_dict() == proof.to_dict() and again.outputs.keys() == proof.outputs.keys()
        credit.verify(again)
    setup = pickle.loads(pickle.dumps(credit))
    assert setup.id == credit.id
    setup.verify(proof)
    monkeypatch.setenv("A_KEY", "0x" + "11" * 32)
    with pytest.raises(TypeError):
        pickle.dumps(verdict.Account.from_env("A_KEY"))


@pytest.fixture(scope="module")
def slow(make: Make, examples: Path) -> verdict.Setup:
    """Proofs that take a while."""
    folder = examples / "digits"
    return make(folder / "model.onnx", ranges=folder / "ranges.json", batch=24)


def test_each_call_is_told_of_its_own_proof_and_stops_no_other(slow: verdict.Setup) -> None:
    x = np.full((slow.batch, 1, 8, 8), 8.0)
    slow.prove(x)
    begun, told, result = threading.Event(), [], []

    def first(event: str, text: str, seconds: float) -> None:
        told.append((event, text))
        if event == "stage":
            begun.set()

    def run() -> None:
        try:
            result.append(slow.prove(x, progress=first))
        except BaseException as error:
            result.append(error)

    class Enough(Exception):
        pass

    def second(event: str, text: str, seconds: float) -> None:
        raise Enough

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    # This one waits for its turn, and is then stopped by its callback.
    with pytest.raises(Enough):
        slow.prove(x, progress=second)
    thread.join()
    assert isinstance(result[0], verdict.Proof), result
    slow.verify(result[0])
    stages = [text for event, text in told if event == "stage"]
    assert stages.count("opening") == 1 and told[-1][0] == "end"


def test_ctrl_c_in_a_call_that_waits_leaves_the_other_and_its_own_is_not_made(
    slow: verdict.Setup,
) -> None:
    script = f"""
import os, signal, sys, threading, time
import numpy as np
import verdict
setup = verdict.Setup.open({str(slow.folder)!r})
x = np.full((setup.batch, 1, 8, 8), 8.0)
setup.prove(x)
begun, result = threading.Event(), []
def run():
    try:
        result.append(setup.prove(x, progress=lambda event, *_: event == "stage" and begun.set()))
    except BaseException as error:
        result.append(error)
thread = threading.Thread(target=run)
thread.start()
begun.wait(60)
threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    setup.prove(x)
    print("proven")
except KeyboardInterrupt:
    print("interrupted")
thread.join()
print(type(result[0]).__name__)
time.sleep(0.2)
before = time.process_time()
time.sleep(1.5)
print("idle" if time.process_time() - before < 0.3 else "busy")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["interrupted", "Proof", "idle"], done.stdout + done.stderr


def test_an_object_does_not_prove_what_its_folder_became(
    make: Make, examples: Path, applicant: list[float], tmp_path: Path
) -> None:
    model, ranges = examples / "credit" / "logistic.onnx", examples / "credit" / "ranges.json"
    options: dict[str, Any] = {"ranges": ranges, "out": tmp_path / "setup", "dev_srs": True}
    with pytest.warns(verdict.InsecureSRSWarning):
        first = verdict.setup(model, **options)
        second = verdict.setup(model, **options, optimize="time")
    assert first.id != second.id
    with pytest.raises(verdict.Error, match="holds another setup now") as stale:
        first.prove(applicant)
    for ask in (first.predict, first.report):
        with pytest.raises(verdict.Error, match="holds another setup now"):
            ask([applicant])
    assert stale.value.hint and "out=" in stale.value.hint
    second.verify(second.prove(applicant))
    with pytest.raises(verdict.Error, match="holds another setup now"):
        pickle.loads(pickle.dumps(first))


def test_the_default_folder_is_not_replaced_without_a_word(
    examples: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"ranges": examples / "credit" / "ranges.json", "dev_srs": True}
    model = examples / "credit" / "logistic.onnx"
    with pytest.warns(verdict.VerdictWarning) as first:
        verdict.setup(model, **options)
    assert not [own for own in first if "held another setup" in str(own.message)]
    with pytest.warns(verdict.VerdictWarning, match="held another setup"):
        verdict.setup(model, **options, optimize="time")


def test_a_setup_stays_where_it_is_when_the_process_goes_elsewhere(
    credit: verdict.Setup,
    applicant: list[float],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    shutil.copytree(credit.folder, tmp_path / "setup")
    monkeypatch.chdir(tmp_path)
    setup = verdict.Setup.open("setup")
    assert setup.folder == tmp_path / "setup"
    monkeypatch.chdir("/")
    assert setup.deployment == credit.deployment
    setup.verify(setup.prove(applicant))


@pytest.fixture
def named(examples: Path, make: Make) -> verdict.Setup:
    """A setup whose columns have names, from a dict."""
    content = (examples / "credit" / "logistic.onnx").read_bytes()
    rows = json.loads((examples / "credit" / "applicants.json").read_text())["applicants"]
    columns = {f"c{i}": [own["input"][i] for own in rows] for i in range(20)}
    return make(content, columns)


def test_columns_are_of_their_setup(named: verdict.Setup) -> None:
    path = named.folder / "private" / "columns.json"
    content = json.loads(path.read_text())
    assert content["setup_id"] == named.id and named.columns == content["columns"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"setup_id": "0x" + "00" * 32}, "of another setup"),
        ({"version": 1}, "not a file of columns of this setup"),
        ({"matrix": "no"}, "not a file of columns of this setup"),
        ({"columns": ["c0"] * 20}, "not a file of columns of this setup"),
    ]
    for changed, said in wrong:
        path.write_text(json.dumps({**content, **changed}))
        with pytest.raises(verdict.Error, match=said):
            verdict.Setup.open(named.folder)
    del content["setup_id"]
    for text in (json.dumps(content), "[" * 100_000, "null", "\x00"):
        path.write_text(text)
        with pytest.raises(verdict.Error, match="columns.json"):
            verdict.Setup.open(named.folder)


def test_the_command_line_leaves_no_columns_of_another_setup(
    named: verdict.Setup, examples: Path
) -> None:
    # What it calls is what Python calls: the library removes the file.
    path = named.folder / "private" / "columns.json"
    assert path.exists()
    model = _verdict.Model.open(examples / "credit" / "logistic.onnx")
    (tensor,) = json.loads(model.inputs())
    plan = model.plan(
        json.dumps(
            {
                "ranges": {tensor["name"]: [[0, 1]] * 20},
                "public_inputs": False,
                "committed": False,
                "stated": [],
                "target_error": None,
                "decimals": None,
                "batch": None,
                "optimize": "time",
                "crosscheck": True,
                "public_weights": False,
            }
        )
    )
    _verdict.setup(plan, named.folder, None, True)
    assert not path.exists()
    assert verdict.Setup.open(named.folder).columns is None


def test_a_public_part_says_where_names_of_columns_are(named: verdict.Setup, tmp_path: Path) -> None:
    shutil.copytree(named.folder / "public", tmp_path / "public")
    setup = verdict.Setup.open(tmp_path)
    assert setup.columns is None
    with pytest.raises(verdict.InputError, match="in the setup's private part, which is not here"):
        setup.prove({name: [0] for name in named.columns or []})


@pytest.mark.skipif(os.geteuid() != 0, reason="it becomes another user")
def test_a_private_part_of_another_user_is_none(
    credit: verdict.Setup, applicant: list[float], tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    shutil.copytree(credit.folder, tmp_path / "setup")
    credit.prove(applicant).save(tmp_path / "proof.json")
    (tmp_path / "proof.json").chmod(0o644)
    script = f"""
import os
import verdict
os.setgid(65534)
os.setuid(65534)
setup = verdict.Setup.open({str(tmp_path / "setup")!r})
print(setup.verify({str(tmp_path / "proof.json")!r}).model)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "logistic", done.stderr


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


#: A process that starts a chain and says which process that is.
CHAIN = """
import os, signal, subprocess, sys, time
import verdict
before = set(os.listdir("/proc"))
chain = verdict.LocalChain()
found = []
for pid in set(os.listdir("/proc")) - before:
    try:
        if pid.isdigit() and open(f"/proc/{pid}/comm").read().strip() == "anvil":
            if f"PPid:\\t{os.getpid()}\\n" in open(f"/proc/{pid}/status").read():
                found.append(pid)
    except OSError:
        pass
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(True))
print(found[0], flush=True)
while not told:
    time.sleep(0.02)
chain.account()
print("answers", flush=True)
time.sleep(600)
"""


@pytest.mark.chain
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it looks into /proc")
def test_a_local_chain_outlives_ctrl_c_and_not_its_process() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHAIN], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        pid = int(process.stdout.readline())
        # As a terminal does: all of the group.
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "answers\n"
        assert alive(pid)
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


@pytest.mark.chain
def test_threads_submit_with_one_account(
    make: Make, examples: Path, applicant: list[float], state: Path
) -> None:
    folder = examples / "credit"
    setup = make(folder / "logistic.onnx", ranges=folder / "ranges.json")
    with verdict.LocalChain() as chain:
        account = chain.account()
        setup.deploy(account, chain=chain)
        proofs = [
            setup.prove(applicant, subject=f"0x{index:040x}", chain=chain) for index in range(1, 5)
        ]
        found: list[Any] = [None] * len(proofs)

        def run(index: int) -> None:
            try:
                found[index] = setup.submit(proofs[index], account, chain=chain).score
            except BaseException as error:
                found[index] = error

        threads = [threading.Thread(target=run, args=(index,)) for index in range(len(proofs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(isinstance(own, float) for own in found), found
