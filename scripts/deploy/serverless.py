"""One file for two platforms, beside predict.pyz: an AWS Lambda function, and a Python function of Vercel.

POST {"user_id", "objective_id", "language"?, "audience"?} is answered with exactly the bytes that predict.pyz prints.
It is started anew for each call, so that a warm function keeps no data of another learner. Lambda: handler
`serverless.lambda_handler` behind a function URL, API Gateway (payload 1.0 or 2.0) or a load balancer. Vercel: this
file as api/predict.py, predict.pyz beside it (see vercel.json). DATABASE_URL comes from the environment; for
postgresql:// put psycopg2-binary into the function's requirements. Whatever happens, the answer is JSON.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from typing import Any

ARCHIVE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "predict.pyz")
MOST_BODY_BYTES = 1 << 16
BODY_WITHIN_S = 5.0
ANSWER_WITHIN_S = 8.0
"""Above predict.pyz's own deadline of four seconds, below the ten that vercel.json gives the function."""
STATUS_OF_EXIT = {0: 200, 2: 422, 66: 404, 69: 503}
"""predict.py's exit codes; whatever else ends it is ours to mend, 500."""

Told = tuple[int, bytes]


def failed(status: int, code: str, message: str) -> Told:
    """Status and JSON of a failure, in the form that predict.pyz uses."""
    return status, json.dumps({"error": {"code": code, "message": message}}).encode() + b"\n"


def predicted(body: bytes) -> Told:
    """Returns the HTTP status and the JSON for the body of one request; never raises."""
    try:
        asked = json.loads(body) if len(body) <= MOST_BODY_BYTES else {}
        ids = [asked["user_id"], asked["objective_id"]]
        words = {name: asked[name] for name in ("language", "audience") if asked.get(name) is not None}
    except (ValueError, TypeError, KeyError, RecursionError):
        ids, words = [], {}
    if not ids or not all(map(_is_argument, ids)):
        return failed(422, "usage", "user_id and objective_id are needed, as texts")
    if not all(map(_is_argument, words.values())):
        return failed(422, "usage", "language and audience must be texts")
    if not os.path.isfile(ARCHIVE):
        return failed(500, "not_installed", "predict.pyz does not lie beside the function")
    # The function's own packages (psycopg2) are found where this process finds them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        ran = subprocess.run(  # noqa: S603 - no shell, and neither two arguments nor what follows -- are options
            [sys.executable, ARCHIVE, *_arguments(ids, words)],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return failed(503, "timeout", "the prediction did not come in time; ask again")
    except (OSError, ValueError) as error:  # no memory, no processes, too long an id or environment
        _note(f"predict.pyz cannot be started: {error}")
        return failed(503, "not_started", "the prediction could not be started; ask again")
    _note(ran.stderr.decode(errors="replace"))
    status = STATUS_OF_EXIT.get(ran.returncode, 500)
    if not _is_answer(ran.stdout, status):
        _note(f"predict.pyz ended with {ran.returncode} and no answer")
        # Killed by a signal: mostly for want of memory, which may be there at the next try.
        return failed(503 if ran.returncode < 0 else 500, "no_answer", "the prediction ended without an answer")
    if status == 500:  # its sentence, which may name a path or a host, is in the log
        return failed(status, json.loads(ran.stdout)["error"]["code"], "the predictor is not set up well")
    return status, ran.stdout


def _is_answer(printed: bytes, status: int) -> bool:
    """Whether it is predict.pyz that spoke, and not an interpreter that could not run it."""
    try:
        told = json.loads(printed.decode("ascii"))
    except (ValueError, RecursionError):
        return False
    if status == 200:
        return isinstance(told, dict) and "probability" in told
    error = told.get("error") if isinstance(told, dict) else None
    return isinstance(error, dict) and isinstance(error.get("code"), str)


def _arguments(ids: list[str], words: dict[str, str]) -> list[bytes]:
    options = [f"--{name}={value}" for name, value in words.items()]
    return [each.encode() for each in ([*options, "--", *ids] if options else ids)]


def _is_argument(given: object) -> bool:
    return isinstance(given, str) and bool(given) and "\0" not in given and _is_text(given)


def _is_text(given: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in given)


def _note(words: str) -> None:
    """For the platform's log; a closed one must not cost the answer."""
    try:
        if words:
            sys.stderr.write(words if words.endswith("\n") else f"{words}\n")
    except (OSError, ValueError, AttributeError):
        pass


def lambda_handler(event: Any, _context: object) -> dict[str, Any]:
    """The AWS Lambda handler for a function URL, API Gateway (payload 1.0 and 2.0) or a load balancer. Never raises."""
    status, answer = _of_event(event)
    told: dict[str, Any] = {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": answer.decode("ascii"),
    }
    context = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(context, dict) and "elb" in context:
        told["isBase64Encoded"] = False  # a load balancer answers 502 without it
        if "multiValueHeaders" in event:  # and 502 to headers in the form it is not set to
            told["multiValueHeaders"] = {name: [value] for name, value in told.pop("headers").items()}
    return told


def _of_event(event: Any) -> Told:
    if not isinstance(event, dict):
        return failed(422, "usage", "the event is no HTTP request")
    method = _method_of(event)
    if method is not None and method != "POST":
        return failed(405, "usage", "only POST is answered")
    body = event.get("body")
    if body is not None and not isinstance(body, str):
        return failed(422, "usage", "the event's body is no text")
    try:
        octets = (body or "").encode()
        return predicted(base64.b64decode(octets, validate=True) if event.get("isBase64Encoded") else octets)
    except ValueError:  # binascii's, or a surrogate that no UTF-8 has
        return failed(422, "usage", "the body can not be decoded")


def _method_of(event: dict[str, Any]) -> str | None:
    """Of the request; None where the event, made by hand, names none."""
    context = event.get("requestContext")
    of_http = context.get("http") if isinstance(context, dict) else None
    named = of_http.get("method") if isinstance(of_http, dict) else event.get("httpMethod")
    return named if isinstance(named, str) else None


class handler(BaseHTTPRequestHandler):  # noqa: N801 - the name that Vercel looks for
    """Vercel's Python runtime."""

    timeout = BODY_WITHIN_S

    def do_POST(self) -> None:
        """Answers one request."""
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 9) or int(length) > MOST_BODY_BYTES:
            self.close_connection = True
            return self._answer(*failed(422, "usage", "a body of at most 64 KiB is needed, with its length"))
        try:
            body = self.rfile.read(int(length))
        except OSError:
            self.close_connection = True
            return self._answer(*failed(422, "usage", "the body did not arrive"))
        return self._answer(*predicted(body))

    def do_GET(self) -> None:
        """Refuses a request that is not a POST."""
        self.close_connection = True
        self._answer(*failed(405, "usage", "only POST is answered"))

    def do_HEAD(self) -> None:
        """As GET."""
        self.do_GET()

    def do_PUT(self) -> None:
        """As GET."""
        self.do_GET()

    def do_DELETE(self) -> None:
        """As GET."""
        self.do_GET()

    def send_error(self, code: int, _message: str | None = None, _explain: str | None = None) -> None:
        """Answers with JSON what http.server itself refuses (other methods, malformed requests).

        It would answer with HTML.
        """
        self.close_connection = True
        if code == 501:
            return self._answer(*failed(405, "usage", "only POST is answered"))
        return self._answer(*failed(code, "usage", "this is no request that can be answered"))

    def _answer(self, status: int, answer: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)
        except OSError:  # the caller has gone
            self.close_connection = True
