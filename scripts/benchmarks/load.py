"""A closed-loop load on the service: every connection asks again as soon as it has its answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, cycle
from typing import NamedTuple

from db.demo import LEARNER, NOW_MS, OBJECTIVES
from ml.instants import iso
from scripts.benchmarks.processes import CannotMeasure


class Round(NamedTuple):
    """One turn under load: answers per second, and the time to each answer."""

    throughput: float
    latencies_ms: Sequence[float]


class Asker(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it has its answer.

    Httpx would need more time than the service.
    """

    def __init__(self, requests: Iterator[bytes], until: float, latencies_ms: list[float]) -> None:
        self.requests, self.until, self.latencies_ms = requests, until, latencies_ms
        self.finished = asyncio.get_running_loop().create_future()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.received = b""
        request = next(self.requests)
        self.started = time.perf_counter()
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Collects an answer, and notes the time once it is whole."""
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self.latencies_ms.append((now - self.started) * 1000)
        if not head.startswith(b"HTTP/1.1 200 "):
            self._end(CannotMeasure(f"an answer under load was an error: {head[:60]!r} {body[:200]!r}"))
        elif now < self.until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """Notes a failure, because the service must not close the connection."""
        self._end(CannotMeasure("the service closed a connection under load"))

    def _end(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error) if error else self.finished.set_result(None)
            self.transport.close()


async def load(port: int, connections: int, seconds: float, each_afresh: bool = False) -> Round:
    """Keeps up the load for the given number of seconds.

    each_afresh: whether each request is for a moment of its own, for which the service has kept no learner's rows.
    """
    objectives = list(OBJECTIVES)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    latencies_ms: list[float] = []
    askers = []
    for place in range(connections):
        turned = objectives[place % len(objectives) :] + objectives[: place % len(objectives)]
        requests = _each_afresh(port, turned) if each_afresh else cycle([_request(port, each) for each in turned])
        begin = partial(Asker, requests, started + seconds, latencies_ms)
        _, asker = await loop.create_connection(begin, "127.0.0.1", port)
        askers.append(asker)
    try:
        await asyncio.gather(*(asker.finished for asker in askers))
    finally:
        for asker in askers:
            asker.transport.close()
        await asyncio.sleep(0)  # a transport closes its socket when the loop next turns
    return Round(len(latencies_ms) / (time.perf_counter() - started), latencies_ms)


_moments_ms = count(NOW_MS + 1)


def _each_afresh(port: int, objectives: Sequence[str]) -> Iterator[bytes]:
    for objective in cycle(objectives):
        yield _request(port, objective, as_of=iso(next(_moments_ms)))


def _request(port: int, objective_id: str, **others: str) -> bytes:
    body = json.dumps({"user_id": LEARNER, "objective_id": objective_id, **others}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
