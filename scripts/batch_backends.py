"""Who does the parts of a batch: this process, others beside it (loky), or a Dask cluster, all through joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from scripts.batch_output import ExtraMissing

Result = TypeVar("Result")
Task = tuple[Callable[..., Result], tuple[Any, ...]]
ATTEMPTS = 3
CONNECT_WITHIN = "15s"


class WorkersLost(Exception):
    """Raised when worker processes die again and again, or a cluster has none."""


@contextmanager
def engine(backend: str, jobs: int, scheduler: str | None) -> Iterator[None]:
    """The joblib configuration under which every Parallel of the block runs, training's too. Raises WorkersLost."""
    try:
        from joblib import parallel_config
    except ImportError:
        raise ExtraMissing("more than one process needs joblib: pip install 'struggle-predictor[train]'") from None
    if backend != "dask":
        with parallel_config(backend, n_jobs=jobs):
            yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ExtraMissing("--backend dask needs Dask: pip install 'struggle-predictor[cluster]'") from None
    try:
        client = Client(scheduler, timeout=CONNECT_WITHIN, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise WorkersLost(f"the Dask scheduler {scheduler} cannot be reached ({type(error).__name__})") from None
    with client, parallel_config("dask", client=client, wait_for_workers_timeout=60):
        yield


def in_order(do: Callable[..., Result], parts: Iterable[tuple[Any, ...]], jobs: int, backend: str) -> Iterator[Result]:
    """do(*part) for each part, in their order; at most a few parts are under way or waiting at a time.

    A part whose worker dies is done again: by Dask on another worker, by loky in new processes. Raises WorkersLost.
    """
    if backend == "loky" and jobs == 1:
        yield from (do(*part) for part in parts)
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
        except TerminatedWorkerError:
            if attempt == ATTEMPTS - 1:
                raise WorkersLost("worker processes died three times; is there memory enough?") from None


class _Waiting:
    """Parts handed out and not yet done, before those still to come."""

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
