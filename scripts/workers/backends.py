"""Distributes the parts of a job: to this process, to other processes through joblib, or to a Dask cluster."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn, TypeVar

from scripts.cli.exits import TERMINATED, ExtraMissing
from scripts.workers import dask_workers
from scripts.workers.dask_workers import WorkersLost

Result = TypeVar("Result")
Task = tuple[Callable[..., Result], tuple[Any, ...]]
ATTEMPTS = 3


class Workers(NamedTuple):
    """The workers that --backend, --jobs and --scheduler name; by default this process alone."""

    backend: str = "loky"
    jobs: int = 1
    scheduler: str | None = None

    @property
    def alone(self) -> bool:
        """Whether this process does every part itself."""
        return (self.backend, self.jobs) == ("loky", 1)


@contextmanager
def engine(backend: str, jobs: int, scheduler: str | None) -> Iterator[None]:
    """Starts the workers that every in_order of the block uses, and stops them at its end.

    Raises WorkersLost, ExtraMissing.
    """
    if Workers(backend, jobs, scheduler).alone:
        yield
        return
    if backend == "dask":
        try:
            import distributed  # noqa: F401 - asked here, where an extra that is missing can be named
        except ImportError:
            raise ExtraMissing("--backend dask needs Dask: pip install '.[cluster]'") from None
        with dask_workers.connected(scheduler or "") as client:
            _clients.append(client)
            try:
                yield
            finally:
                _clients.remove(client)
        return
    try:
        from joblib import parallel_config
    except ImportError:
        raise ExtraMissing("more than one process needs joblib: pip install '.[train]'") from None
    with parallel_config(backend, n_jobs=jobs), _ended_with_their_parent():
        yield


@contextmanager
def _ended_with_their_parent() -> Iterator[None]:
    """Lets SIGTERM end the block as an exception, in which joblib ends its processes too.

    Otherwise they would stay for minutes, and keep open the pipe that the command writes to. A handler of the caller's
    is left in its place.
    """
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminated(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
    raise SystemExit(TERMINATED)


def hands(workers: Workers) -> int:
    """How many parts the surrounding engine does at once. Raises WorkersLost where a cluster has no workers."""
    return dask_workers.hands(_clients[-1]) if workers.backend == "dask" else workers.jobs


def in_order(do: Callable[..., Result], parts: Iterable[tuple[Any, ...]], workers: Workers) -> Iterator[Result]:
    """Yields do(*part) for each part in their order; at most a few parts are under way or waiting at a time.

    A part whose worker dies is done again: by Dask on another worker, by loky in new processes. Raises WorkersLost.
    """
    if workers.alone:
        yield from (do(*part) for part in parts)
        return
    if workers.backend == "dask":
        yield from dask_workers.in_order(_clients[-1], do, parts, hands(workers))
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    waiting = _Waiting(parts)
    for attempt in range(ATTEMPTS):
        parallel = Parallel(return_as="generator", pre_dispatch="2 * n_jobs", batch_size=1)
        try:
            for result in parallel(delayed(do)(*part) for part in waiting.all()):
                waiting.done()
                yield result
            return
        except TerminatedWorkerError as error:
            if attempt == ATTEMPTS - 1:
                raise WorkersLost(f"worker processes died three times ({type(error).__name__})") from None


_clients: list[Any] = []
"""The Dask clients of the engines around what runs now, the innermost last."""


class _Waiting:
    """The parts that are handed out and not yet done, followed by those still to come."""

    def __init__(self, parts: Iterable[tuple[Any, ...]]) -> None:
        self._more = iter(parts)
        self._out: list[tuple[Any, ...]] = []

    def all(self) -> Iterator[tuple[Any, ...]]:
        yield from list(self._out)
        for part in self._more:
            self._out.append(part)
            yield part

    def done(self) -> None:
        self._out.pop(0)
