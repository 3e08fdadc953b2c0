"""The platform's database, read: `connect`, and the guide's `get_prisma_client` and `get_feedback_data`.

Whatever else a command needs of how rows are read is named here too: Batch, Opened and Template for queries of its own
(Client.converse), the rows' types, and decoded and with_unknown for what they hold. Names are loaded on first use, so
that importing the package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.bulk import following_learners
    from db.catalogue import with_unknown
    from db.connecting import connect, get_prisma_client
    from db.feedback import get_feedback_data
    from db.loader import Window as Window
    from db.prisma import as_records
    from db.readings import decoded
    from db.rows import LearnerRows, ObjectiveRows, StudyRows
    from db.templates import Batch, Opened, Template
    from db.templates import Conversation as Conversation
    from db.writing import open_writer

__all__ = [
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
    "Batch": "db.templates",
    "LearnerRows": "db.rows",
    "ObjectiveRows": "db.rows",
    "Opened": "db.templates",
    "StudyRows": "db.rows",
    "Template": "db.templates",
    "as_records": "db.prisma",
    "decoded": "db.readings",
    "following_learners": "db.bulk",
    "get_feedback_data": "db.feedback",
    "open_writer": "db.writing",
    "with_unknown": "db.catalogue",
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
