"""The answer logs of the quality benchmark."""

from __future__ import annotations

SETS = {"assistments09": 0.6, "algebra05": 0.6, "lkt_cloze": 0.5}
"""Answer logs, and the share right below which a visit counts as a struggle."""
