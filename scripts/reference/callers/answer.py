"""What somebody who keeps Python alive with npm's python-shell writes: for each message, a prediction."""

from __future__ import annotations

import json
import sys

import predict
from scripts.cli.request import Request

for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(predict.respond(Request(asked["user_id"], asked["objective_id"]))), flush=True)  # noqa: T201
