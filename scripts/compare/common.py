"""Folders, files written in one piece, and the lock that keeps timed things apart."""

import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "compare"
MODELS = WORK / "models"
VENV = WORK / "venv"
# EZKL keeps a cache in the home folder, Verdict in the cache folder: both get their own.
HOME = WORK / "home"
CACHE = WORK / "cache"
SRS = WORK / "srs"
RESULTS = WORK / "results.json"
VERDICT = ROOT / "target" / "release" / "verdict"
TUNED = HERE / "tuned.json"
DOCS = ROOT / "docs"


class Failure(Exception):
    """Something a user can read in one line."""


def read_json(path, default=None):
    """A file's JSON; `default` if there is no file."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        return default
    except json.JSONDecodeError as error:
        raise Failure(f"{path} is not JSON ({error}): repair or remove it") from error


def write_json(path, value, indent=1):
    """Writes a file in one piece: a reader sees the old one or the new one."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def lines_json(value, depth):
    """JSON with a line for each entry down to a depth: short, and its changes are readable."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        inner = [f"{json.dumps(k)}: {lines_json(v, depth - 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner) + "\n}"
    return "[\n" + ",\n".join(lines_json(v, depth - 1) for v in value) + "\n]"


def write_text(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@contextlib.contextmanager
def lock():
    """Held while anything is timed; released by the system even if the holder is killed."""
    WORK.mkdir(parents=True, exist_ok=True)
    with open(WORK / "lock", "a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Failure(f"another comparison is running (process {holder}): wait for it or "
                          "stop it, two at once would disturb each other's times") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def tail(text, lines=3, limit=400):
    """The last lines that say something, without colours, folders and table borders."""
    import re

    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace(str(ROOT) + "/", "")
    text = re.sub(r"(?<![\w.])/(?:[\w.+-]+/){2,}", "…/", text)
    useful = [line.strip() for line in text.splitlines() if re.search(r"[A-Za-z]{3}", line)]
    joined = " / ".join(useful[-lines:])
    return joined if len(joined) <= limit else "…" + joined[-limit:]
