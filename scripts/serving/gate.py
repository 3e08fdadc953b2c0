"""What every request passes before its route: counting, the token, and limits on the body's size and on time."""

from __future__ import annotations

import asyncio
import hmac
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from scripts.cli.command import places_of
from scripts.serving.problems import SPOKEN, log, problem_response

MOST_BODY_BYTES = 1 << 20
HEAD_WITHIN_S = 5.0
BODY_WITHIN_S = 8.0
READ_WITHIN_S = 10.0
"""How long a caller may take to send a request's head, to send its body, and to read on with its answer."""

OPEN_PATHS = frozenset({"/health", "/ready", "/metrics", "/docs", "/openapi.json"})
"""What a load balancer, Prometheus and a reader of the schema ask without a token; every other path needs one."""


class Metrics:
    """The metrics that /metrics gives to Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "struggle_requests", "Requests by path and status", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram("struggle_request_seconds", "Time to answer", ["path"], registry=self.registry)
        self.predictions = Counter(
            "struggle_predictions",
            "Predictions by risk level and source",
            ["risk_level", "source"],
            registry=self.registry,
        )
        self.model = Gauge("struggle_model_info", "The model that answers", ["model_version"], registry=self.registry)


class Gate:
    """Counts and times every request.

    Refuses those without the token, then bodies that are too large, of undeclared length, or late.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, token: bytes | None) -> None:
        self.app = app
        self.metrics = metrics
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begun = 500, False

        async def noted(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        started = time.perf_counter()
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        try:
            if self.token is not None and not self._may_ask(scope):
                refusal = {"WWW-Authenticate": "Bearer"}
                told = "a bearer token is needed"
                await problem_response(401, "refused", "Refused", told, refusal)(scope, receive, noted)
            elif not length.isdigit() or int(length) > MOST_BODY_BYTES or b"transfer-encoding" in headers:
                told = "at most 1 MiB, with its length declared"
                # What follows on the connection may be the body to one reader and another request to the next.
                closing = {"Connection": "close"}
                await problem_response(413, "too_large", "Request too large", told, closing)(scope, receive, noted)
            else:
                await self.app(scope, receive if length == b"0" else _in_time(receive), noted)
        except Exception as error:  # uvicorn would log its text, which may quote a learner's rows
            log.error("internal error (%s)", places_of(error))
            if begun:  # half an answer must not look like a whole one
                raise ConnectionAbortedError from None
            await problem_response(500, "bug", "Internal error", SPOKEN["bug"])(scope, receive, noted)
        finally:
            path = getattr(scope.get("route"), "path", "(none)")
            self.metrics.seconds.labels(path).observe(time.perf_counter() - started)
            self.metrics.requests.labels(path, str(status)).inc()

    def _may_ask(self, scope: Scope) -> bool:
        """RFC 9110: the scheme in any case, blanks around and between; exactly one such header."""
        if scope["path"] in OPEN_PATHS:
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].strip(b" \t").replace(b"\t", b" ").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.lstrip(b" "), self.token or b"")


def _in_time(receive: Receive) -> Receive:
    """The same messages; a body that is not whole in time ends the request, and with it the connection."""
    late_at = asyncio.get_running_loop().time() + BODY_WITHIN_S
    whole = False

    async def received() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(late_at):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "the body did not arrive in time", {"Connection": "close"}) from None
        whole = not message.get("more_body", False)
        return message

    return received


class PunctualProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's HTTP protocol with time limits.

    By itself it waits forever for the rest of a request's head, and for a reader.
    """

    _no_head: asyncio.TimerHandle | None = None
    _no_reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Starts to wait for the first head."""
        super().connection_made(transport)
        self._no_head = self.loop.call_later(HEAD_WITHIN_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Waits for a later head from its first byte on; until then uvicorn's own keep-alive limit applies."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            _cancel(self._no_head)
            self._no_head = None
        elif self._no_head is None:
            self._no_head = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def pause_writing(self) -> None:
        """Starts to wait for a caller who does not read."""
        super().pause_writing()
        if self._no_reader is None:
            self._no_reader = self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stops waiting, because the caller reads again."""
        super().resume_writing()
        _cancel(self._no_reader)
        self._no_reader = None

    def connection_lost(self, error: Exception | None) -> None:
        """Stops waiting."""
        super().connection_lost(error)
        _cancel(self._no_head)
        _cancel(self._no_reader)
        self._no_head = self._no_reader = None


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
