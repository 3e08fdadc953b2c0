"""How the service reports failures: problem details (RFC 9457) whose code is the command's own name of the failure."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ml.json_text import dumps
from scripts.cli.exits import EXIT_CODES, ending
from scripts.serving.schemas import Problem

log = logging.getLogger("uvicorn.error")  # where a person on call looks


class TooBusy(Exception):
    """Raised when a request's time limit has passed before its work is done."""


STATUS_OF = {
    "unknown_learner": (404, "Unknown learner"),
    "unknown_objective": (404, "Unknown objective"),
    "database_unavailable": (503, "Database unavailable"),
    "busy": (503, "Busy"),
    "configuration": (500, "Configuration"),
    "model_refused": (500, "Model refused"),
    "bug": (500, "Internal error"),
}
"""The name that scripts/cli/exits.py gives a failure -> status, title. Other failures are bugs of the service."""

SPOKEN = {
    "database_unavailable": "the database does not answer; ask again",
    "busy": "the service had no time for the whole request; ask again, or for fewer pairs at once",
    "configuration": "the service cannot use its database as configured; its log says why",
    "model_refused": "the service cannot use its model; its log says why",
    "bug": "see the service's log",
}
"""What a caller is told of the service's own troubles: hosts, paths and queries are the log's."""

LONGEST_DETAIL = 1000
"""Characters of what was wrong with a request; a caller's own words may be a MiB of them."""

DOCUMENTED: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}}
    for status in (400, 401, 404, 408, 413, 422, 500, 503)
}


def problem(error: Exception) -> dict[str, object]:
    """The failure as a JSON object, without the service's internals."""
    code = "busy" if isinstance(error, TooBusy) else ending(error)[1]
    code = code if code in STATUS_OF else "bug"
    status, title = STATUS_OF[code]
    detail = str(error) if status < 500 else SPOKEN[code]
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}


def problem_response(
    status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """A problem as a response."""
    text = dumps({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code})
    return Response(text, status, headers, "application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Makes every failure of a request a problem."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for kind, _, name in EXIT_CODES:
        if name in STATUS_OF and name != "bug":
            app.add_exception_handler(kind, _failed)  # type: ignore[arg-type]
    for kind in (TooBusy, Exception):
        app.add_exception_handler(kind, _failed)


async def _failed(_request: Request, error: Exception) -> Response:
    found = problem(error)
    if found["code"] in ("configuration", "model_refused"):
        log.error("%s", error)
    retry = {"Retry-After": "1"} if found["status"] == 503 else None
    return Response(dumps(found), int(str(found["status"])), retry, "application/problem+json")


async def _invalid(request: Request, error: Exception) -> Response:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    where = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in details[:5])
    if request.method == "POST" and not _is_json(request.headers.get("content-type", "")):
        where = f"the header Content-Type must be application/json; {where}"
    return problem_response(422, "invalid_request", "Invalid request", where[:LONGEST_DETAIL])


async def _refused(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    headers = dict(getattr(error, "headers", None) or {})
    return problem_response(status, "refused", "Refused", str(getattr(error, "detail", "")), headers)


def _is_json(content_type: str) -> bool:
    """Whether a body under this header is read as JSON: application/json, or a type that ends in +json."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
