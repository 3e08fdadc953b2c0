"""The platform's database, read: `connect`, and the guide's `get_prisma_client` and `get_feedback_data`.

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.connecting import connect, get_prisma_client
    from db.feedback import get_feedback_data
    from db.prisma import as_records
    from db.writing import open_writer

__all__ = ["as_records", "connect", "get_feedback_data", "get_prisma_client", "open_writer"]

_HOMES = {"as_records": "db.prisma", "get_feedback_data": "db.feedback", "open_writer": "db.writing"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'db' has no attribute {name!r}")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    from db import connecting

    return getattr(connecting, name)
