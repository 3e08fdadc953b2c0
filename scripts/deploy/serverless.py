"""One file for two platforms, beside predict.pyz: an AWS Lambda function, and a Python function of Vercel.

POST {"user_id", "objective_id"} is answered with the very bytes that predict.pyz prints, started anew for each call:
nothing survives in a warm function that could be another learner's. Lambda: handler `serverless.lambda_handler`
behind a function URL or API Gateway. Vercel: this file as api/predict.py, predict.pyz beside it (see vercel.json).
DATABASE_URL comes from the environment; for postgresql:// put psycopg2-binary into the function's requirements.
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
STATUS_OF_EXIT = {0: 200, 2: 422, 66: 404, 69: 503}
"""predict.py's exit codes; whatever else ends it is ours to mend, 500."""


def predicted(body: bytes) -> tuple[int, bytes]:
    """HTTP status and JSON for the body of one request."""
    try:
        asked = json.loads(body) if len(body) <= MOST_BODY_BYTES else {}
        ids = [asked["user_id"], asked["objective_id"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        ids = []
    if not ids or not all(isinstance(each, str) and each and "\0" not in each and _is_text(each) for each in ids):
        return 422, b'{"error": {"code": "usage", "message": "user_id and objective_id are needed, as texts"}}\n'
    # The function's own packages (psycopg2) are found where this process finds them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run(  # noqa: S603 - no shell, and exactly two arguments are never options
        [sys.executable, ARCHIVE, *ids], env=environment, cwd="/", capture_output=True, timeout=10, check=False
    )
    sys.stderr.write(ran.stderr.decode(errors="replace"))
    return STATUS_OF_EXIT.get(ran.returncode, 500), ran.stdout


def _is_text(given: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in given)


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """AWS Lambda, payload 1.0 or 2.0."""
    body = event.get("body") or ""
    status, answer = predicted(base64.b64decode(body) if event.get("isBase64Encoded") else body.encode())
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": answer.decode("ascii")}


class handler(BaseHTTPRequestHandler):  # noqa: N801 - the name that Vercel looks for
    """Vercel's Python runtime."""

    def do_POST(self) -> None:
        """Answers one request."""
        length = self.headers.get("content-length", "")
        size = int(length) if length.isdigit() else MOST_BODY_BYTES + 1
        status, answer = predicted(self.rfile.read(size) if size <= MOST_BODY_BYTES else b"")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
