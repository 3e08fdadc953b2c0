"""The command hands parts of its work to a Dask cluster and collects the results itself.

A cluster without workers silently waits for new ones for ever, so this module checks for workers while it waits for a
part.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from scripts.cli.exits import Misconfigured, Unavailable

Result = TypeVar("Result")

CONNECT_WITHIN = "15s"
WORKERS_WITHIN_S = 45.0
"""A cluster may be without a worker for so long, at the start and later."""
LOOK_EVERY_S = 2.0
CARRIED_BYTES = 1000
"""Arrays from this size on travel to a worker once, rather than with each part."""
ATTEMPTS = 3
GONE = "the Dask scheduler went away"

SCHEMES = ("tcp", "tls", "ws", "wss")
_SETTINGS_OF_TLS = "distributed.comm.tls.ca-file, and .client.cert and .client.key"


class WorkersLost(Unavailable):
    """Raised when worker processes die again and again, when a cluster has none, or cannot run the predictor."""


class SchedulerAddress(Misconfigured):
    """Raised when an address cannot be that of a Dask scheduler; its text says why."""


def check_address(address: str) -> None:
    """Raises SchedulerAddress if the address cannot be a scheduler's; Dask itself would try for half a minute."""
    scheme, _, rest = address.rpartition("://")
    if scheme not in ("", *SCHEMES):
        raise SchedulerAddress(
            f"{scheme}:// is not the address of a Dask scheduler: write tcp://HOST:PORT or tls://HOST:PORT."
        )
    try:
        found = urlsplit(f"//{rest}")
        host, port = found.hostname, found.port
    except ValueError:
        raise SchedulerAddress(f"the port in --scheduler {address} is not a number from 1 to 65535.") from None
    if not host or any(each.isspace() or not each.isprintable() for each in address):
        raise SchedulerAddress("--scheduler names no host: write tcp://HOST:PORT.")
    if port == 0:
        raise SchedulerAddress(f"the port in --scheduler {address} is not a number from 1 to 65535.")
    if port is None:
        raise SchedulerAddress(f"--scheduler {address} names no port; a Dask scheduler listens at 8786 by default.")
    if scheme in ("tls", "wss"):
        _check_tls(address)


def _check_tls(address: str) -> None:
    try:
        from distributed.security import Security
    except ImportError:  # told by whoever needs Dask
        return
    try:
        encrypted = Security().get_connection_args("client").get("ssl_context")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise SchedulerAddress(f"Dask's TLS settings cannot be used ({error}).") from None
    if encrypted is None:
        raise SchedulerAddress(f"{address} needs Dask's TLS settings: {_SETTINGS_OF_TLS}.")


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The cluster's client. Raises WorkersLost, and ImportError where Dask is not installed."""
    from distributed import Client

    _hush()
    try:
        asyncio.run(_greeted(address))
        client = Client(address, timeout=CONNECT_WITHIN, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise WorkersLost(f"the Dask scheduler {address} cannot be reached ({type(error).__name__})") from None
    try:
        with client:
            yield client
    except OSError as error:
        if error.errno is not None:  # a file's, not Dask's
            raise
        raise WorkersLost(GONE) from None


async def _greeted(address: str) -> None:
    """Returns when a scheduler has greeted us. Raises OSError, or what Dask makes of an answer that is no greeting.

    Dask's client waits a limited time for the connection, but for ever for the greeting of a port where nobody speaks.
    """
    from dask.utils import parse_timedelta
    from distributed.comm.core import connect
    from distributed.security import Security

    how = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    async with asyncio.timeout(parse_timedelta(CONNECT_WITHIN)):
        greeted = await connect(address, timeout=CONNECT_WITHIN, **how)  # type: ignore[no-untyped-call]
    await greeted.close()


def hands(client: Any) -> int:
    """How many parts the cluster does at once. Raises WorkersLost where it has no worker for a while."""
    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except TimeoutError:
        raise WorkersLost(f"the Dask cluster had no worker for {WORKERS_WITHIN_S:.0f} seconds") from None
    return max(1, sum(map(int, client.nthreads().values())))


def in_order(
    client: Any, do: Callable[..., Result], parts: Iterable[tuple[Any, ...]], at_once: int
) -> Iterator[Result]:
    """Yields do(*part) for each part in their order; twice at_once parts are under way or waiting at a time.

    Dask gives a part whose worker dies to another worker. Raises WorkersLost.
    """
    _check_workers(client, do)
    waiting: deque[tuple[tuple[Any, ...], Any]] = deque()
    carried, more, lost = _Carried(client), iter(parts), 0
    while True:
        while len(waiting) < 2 * at_once and (part := next(more, None)) is not None:
            waiting.append((part, client.submit(do, *carried.of(part), pure=False)))
        if not waiting:
            return
        try:
            found = _result(client, waiting[0][1])
        except _LostAgain as error:  # what a worker alone held has died with it
            lost += 1
            if lost == ATTEMPTS:
                raise WorkersLost(f"worker processes died three times ({error})") from None
            carried = _Carried(client)
            parts_again = [part for part, _ in waiting]
            waiting = deque((part, client.submit(do, *carried.of(part), pure=False)) for part in parts_again)
            continue
        waiting.popleft()
        yield found


class _LostAgain(Exception):
    """Raised when Dask has given up a part that can be handed out again."""


class _Carried:
    """The arrays that many parts have in common; each is sent to the cluster once."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._there: dict[int, tuple[Any, Any]] = {}

    def of(self, part: tuple[Any, ...]) -> list[Any]:
        """The part, with each large array replaced by a reference to Dask's copy."""
        return [self._brought(each) if getattr(each, "nbytes", 0) >= CARRIED_BYTES else each for each in part]

    def _brought(self, array: Any) -> Any:
        if id(array) not in self._there:  # the array is kept as well, or its id could be another's
            self._there[id(array)] = array, self._client.scatter(array, hash=False)
        return self._there[id(array)][1]


def _result(client: Any, future: Any) -> Any:
    """The result of a part; while it is awaited, the cluster is checked for workers."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    watch = _Watch(client)
    try:
        while not future.done():
            try:
                return future.result(timeout=LOOK_EVERY_S)
            except TimeoutError:  # ours; the part's own is raised below
                watch.look()
        return future.result()
    except CancelledError as error:
        if getattr(error, "reason", "") == "scheduler-connection-lost" or client.status != "running":
            raise WorkersLost(GONE) from None
        raise _LostAgain(type(error).__name__) from None
    except KilledWorker as error:
        raise _LostAgain(type(error).__name__) from None


def _check_workers(client: Any, do: Callable[..., Any]) -> None:
    """Raises WorkersLost where a worker cannot import what it is to do: the part itself would end it without a word."""
    try:
        found = client.sync(
            *(client._run, pickle.loads, pickle.dumps(do)), on_error="return", callback_timeout=WORKERS_WITHIN_S
        )
    except TimeoutError:
        raise WorkersLost(f"a Dask worker does not answer for {WORKERS_WITHIN_S:.0f} seconds") from None
    for worker, result in found.items():
        if isinstance(result, BaseException):
            raise WorkersLost(
                f"the Dask worker {worker} cannot run the predictor ({type(result).__name__}: {result}): install the "
                "same one there, with its extras, and for the scheduler"
            )


class _Watch:
    """Notes for how long no worker has given a sign of life while a result is awaited."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._heard: object = None
        self._since = time.monotonic()

    def look(self) -> None:
        """Raises WorkersLost if the cluster has had no worker, or none that responds, for a while."""
        workers = self._client.scheduler_info()["workers"]
        heard = max((each["last_seen"] for each in workers.values()), default=None)
        now = time.monotonic()
        if heard is not None and heard != self._heard:
            self._heard, self._since = heard, now
        elif now - self._since > WORKERS_WITHIN_S:
            raise WorkersLost(f"the Dask cluster had no worker for {WORKERS_WITHIN_S:.0f} seconds")


def _hush() -> None:
    """Dask logs what goes wrong, with its stack, on stderr; the command says it in a sentence."""
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
