"""Who does the parts of a job: this process, others beside it (loky), or a Dask cluster, all through joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from scripts.refusal import ExtraMissing

Result = TypeVar("Result")
Task = tuple[Callable[..., Result], tuple[Any, ...]]
ATTEMPTS = 3
CONNECT_WITHIN = "15s"
WORKERS_WITHIN_S = 60


class WorkersLost(Exception):
    """Raised when worker processes die again and again, or a cluster has none."""


class Workers(NamedTuple):
    """As --backend, --jobs and --scheduler name them; the default is this process alone."""

    backend: str = "loky"
    jobs: int = 1
    scheduler: str | None = None

    @property
    def alone(self) -> bool:
        """Whether this process does every part itself."""
        return (self.backend, self.jobs) == ("loky", 1)


@contextmanager
def engine(backend: str, jobs: int, scheduler: str | None) -> Iterator[None]:
    """The joblib configuration under which every Parallel of the block runs. Raises WorkersLost, ExtraMissing."""
    if Workers(backend, jobs, scheduler).alone:
        yield
        return
    try:
        from joblib import parallel_config
    except ImportError:
        raise ExtraMissing("more than one process needs joblib: pip install '.[train]'") from None
    if backend != "dask":
        with parallel_config(backend, n_jobs=jobs):
            yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ExtraMissing("--backend dask needs Dask: pip install '.[cluster]'") from None
    try:
        client = Client(scheduler, timeout=CONNECT_WITHIN, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise WorkersLost(f"the Dask scheduler {scheduler} cannot be reached ({type(error).__name__})") from None
    try:
        with client, parallel_config(_cluster(client)):
            yield
    except OSError as error:
        if error.errno is not None:  # a file's, not Dask's
            raise
        raise WorkersLost(f"the Dask scheduler {scheduler} went away ({type(error).__name__})") from None


def _cluster(client: Any) -> Any:
    """joblib's Dask backend, which would do the work of a cluster with a single worker in this process."""
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, super().effective_n_jobs(n_jobs))

    return Cluster(client=client, wait_for_workers_timeout=WORKERS_WITHIN_S)


def hands(workers: Workers) -> int:
    """How many parts the engine around this does at once. Raises WorkersLost where a cluster has no workers."""
    if workers.alone:
        return 1
    from joblib import effective_n_jobs

    try:
        return int(effective_n_jobs(-1)) if workers.backend == "dask" else workers.jobs
    except TimeoutError:
        raise WorkersLost(f"the Dask cluster had no worker for {WORKERS_WITHIN_S} seconds") from None


def in_order(do: Callable[..., Result], parts: Iterable[tuple[Any, ...]], workers: Workers) -> Iterator[Result]:
    """do(*part) for each part, in their order; at most a few parts are under way or waiting at a time.

    A part whose worker dies is done again: by Dask on another worker, by loky in new processes. Raises WorkersLost.
    """
    if workers.alone:
        yield from (do(*part) for part in parts)
        return
    from joblib import Parallel, delayed

    waiting, lost = _Waiting(parts), _losses(workers.backend)
    for attempt in range(ATTEMPTS):
        parallel = Parallel(return_as="generator", pre_dispatch="2 * n_jobs", batch_size=1)
        try:
            for result in parallel(delayed(do)(*part) for part in waiting.all()):
                waiting.done()
                yield result
            return
        except lost as error:
            if attempt == ATTEMPTS - 1:
                raise WorkersLost(f"worker processes died three times ({type(error).__name__})") from None


def _losses(backend: str) -> tuple[type[BaseException], ...]:
    """What joblib raises where workers died; with Dask also where what they alone held died with them."""
    if backend == "dask":
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        return CancelledError, FutureCancelledError, KilledWorker
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    return (TerminatedWorkerError,)


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
