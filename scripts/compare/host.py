"""This machine: what it is, what it has to have, which versions are compared."""

import hashlib
import os
import platform
import subprocess
import sys

from common import HERE, ROOT, VENV, VERDICT, Failure, tail


def machine():
    """CPU, cores, memory and system; nothing that names the host."""
    cpu = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return {"cpu": names[0] if names else cpu, "cores": os.cpu_count(), "memory": round(memory / 2**30) * 2**30,
            "system": system, "kernel": platform.release().split("-")[0]}


def environment():
    """The environment of EZKL and of the model builder, made when the list changes."""
    wanted = (HERE / "requirements.txt").read_text()
    stamp = VENV / "requirements.sha256"
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print("installing the Python environment", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--requirement", HERE / "requirements.txt"], check=True)
    stamp.write_text(digest)


def preflight():
    """The tools that measured steps need, so that their lack is no tool's failure."""
    scripts = ROOT / "scripts"
    for command in ([scripts / "solc"], [scripts / "foundry", "anvil"]):
        try:
            done = subprocess.run([*command, "--version"], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError as error:
            raise Failure(f"{error.filename} can't be run: are Node and npm installed?") from error
        if done.returncode:
            raise Failure(f"{tail(done.stderr)} (npm ci)")


def versions():
    """What was compared."""
    def first(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        words = (done.stdout or "?").strip().splitlines()[-1].split()
        return words[-1].split("+")[0].split("-")[0]

    listed = dict(line.split("==") for line in
                  (HERE / "requirements.txt").read_text().splitlines() if "==" in line)
    return {"Verdict": first(VERDICT, "--version"), "EZKL": listed["ezkl"],
            "onnxruntime": listed["onnxruntime"],
            "solc": first(ROOT / "scripts" / "solc", "--version"),
            "anvil": anvil_version(), "Python": platform.python_version()}


def anvil_version():
    done = subprocess.run([ROOT / "scripts" / "foundry", "anvil", "--version"],
                          capture_output=True, text=True, check=False)
    return done.stdout.split()[2].split("-")[0] if len(done.stdout.split()) > 2 else "?"
