"""A Dask cluster of real processes on this machine, for tests and benchmarks: one scheduler, some workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_WITHIN_S = 60.0


class Cluster:
    """address: the scheduler's; scheduler, workers: the processes, which a test may kill."""

    def __init__(
        self, address: str, scheduler: subprocess.Popen[bytes], workers: list[subprocess.Popen[bytes]]
    ) -> None:
        self.address = address
        self.scheduler = scheduler
        self.workers = workers


@contextmanager
def cluster(directory: str, workers: int, house: str = ROOT, workers_house: str | None = None) -> Iterator[Cluster]:
    """Starts the processes and stops them at the end. Each worker has one thread, and is not restarted.

    house: the directory whose packages the processes import; workers_house: another one for the workers.
    """
    where = os.path.join(directory, "scheduler.json")
    log = open(os.path.join(directory, "cluster.log"), "ab")  # noqa: SIM115 - as long as the processes

    def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "dask", program, "--scheduler-file", where, "--no-dashboard", *arguments]
        packages = workers_house or house if program == "worker" else house
        environment = {**os.environ, "PYTHONPATH": packages}
        return subprocess.Popen(argv, cwd=directory, env=environment, stdout=log, stderr=log)  # noqa: S603

    started = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        started += [start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1") for _ in range(workers)]
        yield Cluster(_address(where, workers), started[0], started[1:])
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
        log.close()


def _address(where: str, workers: int) -> str:
    """The scheduler's address, once all workers have joined it."""
    import json

    from distributed import Client

    deadline = time.monotonic() + START_WITHIN_S
    while not os.path.exists(where) or not os.path.getsize(where):
        if time.monotonic() > deadline:
            raise TimeoutError("the Dask scheduler did not start")
        time.sleep(0.05)
    with open(where, encoding="utf-8") as file:
        address = str(json.load(file)["address"])
    with Client(address, timeout=f"{START_WITHIN_S}s", set_as_default=False) as client:  # type: ignore[no-untyped-call]
        if workers:
            client.wait_for_workers(workers, timeout=START_WITHIN_S)
    return address
