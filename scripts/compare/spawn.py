"""Runs one command and writes down what it used: python3 -I -S spawn.py REPORT SECONDS BYTES LOG COMMAND…

A program of its own and nearly without imports, because the peak memory that the system
reports for a process includes what its parent held when it was forked. Here that is the
few megabytes of a bare Python, below anything measured.

The time limit is wall time, the memory limit is resident memory; both are looked at 20
times a second, and past either the command is killed. (An address space limit would not
do: it counts what is mapped, and provers map far more than they touch.)
"""

import os
import signal
import sys
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
INTERVAL = 0.05


def resident(pid):
    """Resident bytes of a process; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0


def execute(command, log):
    """The child's side: never returns."""
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def measure(command, seconds, memory, log):
    """What the command used, as a dictionary; `stopped` is None, "time" or "memory"."""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        execute(command, log)
    stopped = None

    def watch(*_):
        nonlocal stopped
        if stopped is None:
            if time.monotonic() - start > seconds:
                stopped = "time"
            elif resident(pid) > memory:
                stopped = "memory"
            if stopped:
                os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, watch)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    return {
        "wall": round(wall, 4),
        "cpu": round(used.ru_utime + used.ru_stime, 4),
        "peak_bytes": used.ru_maxrss * 1024,
        "exit": os.waitstatus_to_exitcode(status),
        "stopped": stopped,
    }


def main():
    report, seconds, memory, log, *command = sys.argv[1:]
    result = measure(command, float(seconds), int(memory), log)
    import json

    with open(report, "w", encoding="ascii") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
