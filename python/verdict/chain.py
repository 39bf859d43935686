"""Accounts, and a local chain to try things out on."""

from __future__ import annotations

import json
from os import PathLike
from types import TracebackType
from typing import Sequence, Union

from . import _check, _verdict
from .errors import Error, UsageError

__all__ = ["Account", "LocalChain"]

#: The sender's key. It comes from an environment variable or a keystore file, and is never shown.
Account = _verdict.Account

DEFAULT_URL = "http://127.0.0.1:8545"


def reach(
    chain: Endpoint | None,
    chain_id: int | None = None,
    confirmations: int | None = None,
    database: str | PathLike[str] | None = None,
) -> str:
    """How a chain is reached, for the extension module."""
    if chain is None:
        urls = [DEFAULT_URL]
    elif isinstance(chain, LocalChain):
        urls = [chain.url]
    else:
        urls = _check.names("chain", chain)
        if not urls:
            raise UsageError("chain names no endpoint; give one, or a list of them")
    return json.dumps(
        {
            "rpc_urls": urls,
            "chain_id": _check.optional("chain_id", chain_id),
            "confirmations": _check.optional("confirmations", confirmations),
            "database": None if database is None else str(database),
        }
    )


class LocalChain:
    """A development chain on this machine: anvil, found in a ``node_modules`` above the working
    directory or on PATH. Use it in a ``with`` block, or stop it.

    Args:
        anvil: the program, if it is elsewhere.
        port: where it listens; 0 takes a free one.

    Raises:
        Error: anvil is not installed, or does not start.
    """

    def __init__(self, anvil: str | PathLike[str] | None = None, port: int = 0) -> None:
        port = _check.whole("port", port, most=65_535)
        self._own: _verdict.LocalChain | None = None
        self._own = _verdict.LocalChain.start(anvil, port)

    @property
    def url(self) -> str:
        """Its JSON-RPC endpoint."""
        return self._running().url

    def _running(self) -> _verdict.LocalChain:
        if self._own is None:
            raise Error("the local chain did not start")
        return self._own

    def account(self, ether: int = 100) -> Account:
        """A new random account that owns so many ether."""
        return self._running().account(_check.whole("ether", ether))

    def pass_time(self, seconds: int) -> None:
        """Lets time pass on the chain, and mines a block."""
        self._running().pass_time(_check.whole("seconds", seconds))

    def stop(self) -> None:
        """Stops the chain; what was on it is gone."""
        self._running().stop()

    def __enter__(self) -> LocalChain:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        own = getattr(self, "_own", None)
        return f"LocalChain({own.url})" if own is not None else "LocalChain(not started)"


#: An endpoint, or several that have to agree; a :class:`LocalChain`.
Endpoint = Union[str, Sequence[str], LocalChain]
