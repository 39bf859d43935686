"""What long work shows while it runs: a line a step, in a terminal or a notebook."""

from __future__ import annotations

import html
import sys
import time
import warnings
from typing import Any, Callable, Union

from . import _verdict
from .errors import InsecureSRSWarning, VerdictWarning

#: Called with an event ("begin", "stage", "end", "failed", "note", "warn"), its text, and seconds.
Callback = Callable[[str, str, float], None]
#: True, False, None (shown in terminals and notebooks), or a callback.
Progress = Union[bool, Callback, None]


def callback(progress: Progress) -> Callback:
    """What the extension module calls. Warnings are given whatever is shown."""
    if callable(progress):
        shown: Callback | None = progress
    elif progress is None and not _in_notebook() and not sys.stderr.isatty():
        shown = None
    elif progress is False:
        shown = None
    else:
        shown = _Notebook() if _in_notebook() else _Terminal()

    def told(event: str, text: str, seconds: float) -> None:
        if event == "warn":
            kind = InsecureSRSWarning if text == _verdict.INSECURE else VerdictWarning
            warnings.warn(text, kind, stacklevel=3)
        if shown is not None:
            shown(event, text, seconds)

    return told


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


def _took(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


class _Terminal:
    """Lines on standard error; the step that runs is written over."""

    def __init__(self) -> None:
        self.step = ""
        self.width = 0

    def __call__(self, event: str, text: str, seconds: float) -> None:
        if event == "begin":
            self.step = text
            self.over(f"  … {text}")
        elif event == "stage":
            self.over(f"  … {self.step}: {text}")
        elif event in ("end", "failed"):
            self.over(f"  {'✓' if event == 'end' else '✗'} {text} ({_took(seconds)})", end="\n")
        elif event == "note":
            self.over(f"    {text}", end="\n")

    def over(self, line: str, end: str = "") -> None:
        if not sys.stderr.isatty():
            if end:
                print(line, file=sys.stderr)
            return
        padding = " " * max(0, self.width - len(line))
        print(f"\r{line}{padding}", end=end, file=sys.stderr, flush=True)
        self.width = 0 if end else len(line)


class _Notebook:
    """One output of a cell, which is replaced as work goes on."""

    #: Seconds between two stages that are shown.
    PACE = 0.1

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.step = ""
        self.handle: Any = None
        self.shown = 0.0

    def __call__(self, event: str, text: str, seconds: float) -> None:
        running = ""
        if event == "begin":
            self.step = text
            running = f"… {text}"
        elif event == "stage":
            if time.monotonic() - self.shown < self.PACE:
                return
            running = f"… {self.step}: {text}"
        elif event in ("end", "failed"):
            self.lines.append(f"{'✓' if event == 'end' else '✗'} {text} ({_took(seconds)})")
        elif event == "note":
            self.lines.append(f"  {text}")
        else:
            return
        self.show([*self.lines, running] if running else self.lines)

    def show(self, lines: list[str]) -> None:
        from IPython.display import HTML, display

        self.shown = time.monotonic()
        text = html.escape("\n".join(lines))
        page: Any = HTML(f"<pre style='margin:0'>{text}</pre>")  # type: ignore[no-untyped-call]
        if self.handle is None:
            self.handle = display(page, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(page)
