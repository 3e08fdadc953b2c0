"""The model of a process that answers many requests: it is read again when one of its files has changed."""

from __future__ import annotations

import logging
import os

from ml.errors import ModelRefused, PredictorError
from ml.model import RULES, StrugglePredictionModel, load
from ml.places import CURRENT, LEVELS_FILE, MODEL, PRETRAINED, current, resolve, setting, shipped

LOOK_AGAIN_S = 1.0
"""How often the files are looked at; a switch of current.pkl, or new levels, answer at most about this much later."""

log = logging.getLogger("uvicorn.error")  # where a person on call looks

FileMark = tuple[int, int, int, int]
Mark = tuple[FileMark | None, ...]


class ModelFiles:
    """The files on which a named model rests, and what they were when it was read.

    Files that are absent are looked at too where another model answers in their place. name: as --model names it; None
    for the default.
    """

    def __init__(self, name: str | None, correct_from: str | None = None) -> None:
        self._name, self._correct_from = name, correct_from
        self._files: list[str] = []
        self._mark: Mark = ()

    def have_changed(self) -> bool:
        """Whether one of them is not what it was at the last reading."""
        return tuple(map(mark_of, self._files)) != self._mark

    def read(self) -> StrugglePredictionModel:
        """Raises PredictorError. Marks are taken before the reading, so that what changes meanwhile is read again."""
        self._files = self._candidates()
        self._mark = tuple(map(mark_of, self._files))
        model = load(self._name, self._correct_from)
        self._add({model.path, model.pointer_path})
        self._add(set(table_paths(model)))
        return model

    def _add(self, paths: set[str | None]) -> None:
        more = sorted(str(each) for each in paths - {None, *self._files})
        self._mark += tuple(map(mark_of, more))
        self._files = self._files + more

    def _candidates(self) -> list[str]:
        name = self._name or setting(MODEL)
        if name == RULES:
            return []
        asked = current() if name is None else os.path.abspath(name) if os.path.exists(name) else resolve(name)
        levels = os.path.join(os.path.dirname(asked), LEVELS_FILE)
        if os.path.basename(asked) != CURRENT:
            return [asked, levels]
        return list(dict.fromkeys((asked, os.path.join(os.path.dirname(asked), PRETRAINED), shipped(), levels)))


class CurrentModel:
    """The model in use; a request keeps the one with which it began.

    If a new model must not be used, or its difficulty table is absent or damaged, the previous model stays in service
    and the log says why; the new one is tried again when one of its files changes. Raises PredictorError where the
    first model cannot be used.
    """

    def __init__(self, name: str | None) -> None:
        self._files = ModelFiles(name)
        self._said = ""
        self._table_marks: dict[str, FileMark | None] = {}
        self._model = self._loaded()

    def model(self) -> StrugglePredictionModel:
        """The model in use; several threads may call this."""
        return self._model

    def look(self) -> None:
        """Loads the model if its file has changed. Only one thread may call this at a time."""
        if not self._files.have_changed():
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
        for path, before in self._table_marks.items():
            now = mark_of(path)
            if before is not None and now is not None and now[0] == before[0] and now[:3] != before[:3]:
                raise ModelRefused(f"the difficulty table {path} was written over while in use")
        _try(self._model)

    def _loaded(self) -> StrugglePredictionModel:
        """Raises PredictorError."""
        model = self._files.read()
        table_marks = {path: mark_of(path) for path in table_paths(model)}
        model.check()
        _try(model)
        self._table_marks = table_marks
        if model.instead:
            log.warning("%s", model.instead)
        return model


def _try(model: StrugglePredictionModel) -> None:
    """Reads from the difficulty table what every prediction reads. Raises ModelRefused."""
    for table in (model.difficulty_at(None), model.difficulty):
        if table is not None:
            table.facing("", ("",), ("",), (), model.correct_from)


def table_paths(model: StrugglePredictionModel) -> list[str]:
    """Where the model's difficulty tables should be; those that cannot be told are refused where they are used."""
    try:
        return [] if model.difficulties is None else model.difficulties.paths()
    except ModelRefused:
        return []


def mark_of(path: str) -> FileMark | None:
    """What changes when a file does: another file, other content, or other permissions."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
