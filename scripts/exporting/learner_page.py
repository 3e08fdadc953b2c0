"""The export of one learner as one self-contained page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scripts.pages.templates import render


def page(export: Mapping[str, Any]) -> bytes:
    """The whole page in UTF-8. Raises ModuleNotFoundError where Jinja is not installed."""
    return render("exporting/learner.html", indented=_indented, **export).encode("utf-8", "replace")


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
