"""Reads the platform's database: `connect`, and the guide's `get_prisma_client` and `get_feedback_data`.

Other names that commands need for reading rows are here too: Batch, Opened and Template for queries of their own
(Client.converse), the types of the rows, and decoded and with_unknown for their content. Names are loaded on first use,
so importing the package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.backends.prisma import as_records
    from db.connecting import connect, get_prisma_client
    from db.feedback import get_feedback_data
    from db.reading.many import following_learners
    from db.reading.rows import LearnerRows, ObjectiveRows, StudyRows
    from db.reading.study import Window as Window
    from db.sql.catalogue import with_unknown
    from db.sql.decode_values import ORDER_ONLY_SESSION, decoded
    from db.sql.templates import Batch, Opened, Template
    from db.sql.templates import Conversation as Conversation
    from db.writing.open import open_writer

__all__ = [
    "ORDER_ONLY_SESSION",
    "Batch",
    "LearnerRows",
    "ObjectiveRows",
    "Opened",
    "StudyRows",
    "Template",
    "as_records",
    "connect",
    "decoded",
    "following_learners",
    "get_feedback_data",
    "get_prisma_client",
    "open_writer",
    "with_unknown",
]

_HOMES = {
    "ORDER_ONLY_SESSION": "db.sql.decode_values",
    "Batch": "db.sql.templates",
    "LearnerRows": "db.reading.rows",
    "ObjectiveRows": "db.reading.rows",
    "Opened": "db.sql.templates",
    "StudyRows": "db.reading.rows",
    "Template": "db.sql.templates",
    "as_records": "db.backends.prisma",
    "decoded": "db.sql.decode_values",
    "following_learners": "db.reading.many",
    "get_feedback_data": "db.feedback",
    "open_writer": "db.writing.open",
    "with_unknown": "db.sql.catalogue",
}
"""Where a name lives; the two others are of db.connecting. Conversation and Window are for type checking alone."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'db' has no attribute {name!r}")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    from db import connecting

    return getattr(connecting, name)
