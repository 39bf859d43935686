"""Arguments that are checked before they cross into the library, by their names."""

from __future__ import annotations

import math
import operator
from os import PathLike
from pathlib import Path
from typing import Any, Sequence, Union

from .errors import UsageError

StrPath = Union[str, PathLike[str]]

#: Most of what the library counts with 64 bits.
MOST = 2**64 - 1


def whole(name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """A whole number, of Python's or of numpy's.

    Raises:
        UsageError: it is none, or out of bounds.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise UsageError(f"{name} is {value!r}; it is a whole number") from None
    if not least <= found <= most:
        bound = f"{least} or more" if found < least else f"{most} at most"
        raise UsageError(f"{name} is {found}; it is {bound}")
    return found


def optional(name: str, value: Any, least: int = 0, most: int = MOST) -> int | None:
    """The same, or None."""
    return None if value is None else whole(name, value, least, most)


def number(name: str, value: Any) -> float:
    """A finite number.

    Raises:
        UsageError: it is none.
    """
    try:
        found = float(value) if not isinstance(value, (str, bytes)) else math.nan
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise UsageError(f"{name} is {value!r}; it is a finite number")
    return found


def folder(name: str, path: StrPath) -> Path:
    """A folder, which stays the same wherever the process goes.

    Raises:
        UsageError: it is the empty string, which would be the working directory.
    """
    if not str(path):
        raise UsageError(f"{name} is empty; it is a folder, '.' for the working directory")
    return Path(path).absolute()


def _several(name: str, given: Any, one: Any, words: str) -> list[Any]:
    try:
        return [given] if isinstance(given, one) else list(given)
    except TypeError:
        raise UsageError(f"{name} is {given!r}; it is {words}") from None


def paths(name: str, given: StrPath | Sequence[StrPath]) -> list[Path]:
    """A file or several.

    Raises:
        UsageError: there is something else among them.
    """
    several = _several(name, given, (str, PathLike), "a file or a list of files")
    for own in several:
        if not isinstance(own, (str, PathLike)):
            raise UsageError(f"{name} has {own!r}; it is a file or a list of files")
    return [Path(own) for own in several]


def names(name: str, given: str | Sequence[str]) -> list[str]:
    """A name or several.

    Raises:
        UsageError: there is something else among them.
    """
    several = _several(name, given, str, "a name or a list of names")
    for own in several:
        if not isinstance(own, str):
            raise UsageError(f"{name} has {own!r}; it is a name or a list of names")
    return several


def hashes(name: str, given: str | Sequence[str]) -> list[str]:
    """32 bytes in hexadecimal or several such, in lower case with 0x.

    Raises:
        UsageError: there is something else among them.
    """
    found = []
    for own in names(name, given):
        digits = own.lower()[2:] if own[:2] in ("0x", "0X") else own.lower()
        if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise UsageError(f"{name} is {own!r}; it is 0x and 64 hexadecimal digits")
        found.append(f"0x{digits}")
    return found


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    """One of some words.

    Raises:
        UsageError: it is another one.
    """
    if value not in known:
        each = [repr(own) for own in known]
        raise UsageError(f"{name} is {value!r}; it is {', '.join(each[:-1])} or {each[-1]}")
    return str(value)


def beside(out: StrPath) -> Path:
    """Where a file is to be written.

    Raises:
        UsageError: its folder is not there.
    """
    path = Path(out)
    if not str(out) or not path.absolute().parent.is_dir():
        raise UsageError(f"out is {str(out)!r}, which is in no folder that is there")
    return path
