"""The model with which the service answers; it is reloaded when its file changes, but only if the new one is intact."""

from __future__ import annotations

import logging
import os

from ml.errors import ModelRefused, PredictorError
from ml.model import RULES, StrugglePredictionModel, load
from ml.places import current, resolve

LOOK_AGAIN_S = 1.0
"""How often the files are looked at; a switch of current.pkl answers at most about this much later."""

log = logging.getLogger("uvicorn.error")  # where a person on call looks

FileMark = tuple[int, int, int, int]
Mark = tuple[FileMark | None, ...]


class CurrentModel:
    """The model in use; a request keeps the one with which it began.

    If a new model must not be used, or its difficulty table is absent or damaged, the previous model stays in service
    and the log says why; the new one is tried again when one of its files changes. Raises PredictorError where the
    first model cannot be used.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._files: list[str] = []
        self._said = ""
        self._mark: Mark = ()
        self._table_mark: FileMark | None = None
        self._model = self._loaded()

    def model(self) -> StrugglePredictionModel:
        """The model in use; several threads may call this."""
        return self._model

    def look(self) -> None:
        """Loads the model if its file has changed. Only one thread may call this at a time."""
        if self._marks() == self._mark:
            return
        try:
            self._model = self._loaded()
            self._said = ""
        except PredictorError as error:
            if str(error) != self._said:
                log.warning("the new model cannot be used, the one before it answers: %s", error)
            self._said = str(error)

    def check(self) -> None:
        """Raises ModelRefused where the model in service can no longer rely on its difficulty table.

        A table whose file was removed or replaced stays open and can still be used; one whose file was overwritten
        cannot, although SQLite's cache may hide that for a while.
        """
        path, before = self._model.difficulty_path, self._table_mark
        now = None if path is None else _mark_of(path)
        if before is not None and now is not None and now[0] == before[0] and now[:3] != before[:3]:
            raise ModelRefused(f"the difficulty table {path} was written over while in use")
        _try(self._model)

    def _loaded(self) -> StrugglePredictionModel:
        """Raises PredictorError. Marks are taken before the reading, so that what changes meanwhile is read again."""
        asked = [] if self._name == RULES else [current() if self._name is None else resolve(self._name)]
        if self._name is not None and os.path.exists(self._name):
            asked = [os.path.abspath(self._name)]
        self._files = asked
        self._mark = self._marks()
        model = load(self._name)
        found = {model.path, model.difficulty_path} - {None, *asked}
        self._files = asked + sorted(str(each) for each in found)
        self._mark += tuple(map(_mark_of, self._files[len(asked) :]))
        table_mark = None if model.difficulty_path is None else _mark_of(model.difficulty_path)
        model.check()
        _try(model)
        self._table_mark = table_mark
        if model.instead:
            log.warning("%s", model.instead)
        return model

    def _marks(self) -> Mark:
        return tuple(map(_mark_of, self._files))


def _try(model: StrugglePredictionModel) -> None:
    """Reads from the difficulty table what every prediction reads. Raises ModelRefused."""
    table = model.difficulty
    if table is not None:
        table.facing("", ("",), ("",), (), model.correct_from)


def _mark_of(path: str) -> FileMark | None:
    """What changes when a file does: another file, other content, or other permissions."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
