"""The model that the service answers with: the one its file names now, taken into service only when it is whole."""

from __future__ import annotations

import hashlib
import logging
import os

from ml.errors import ModelRefused, PredictorError
from ml.model import RULES, StrugglePredictionModel, load
from ml.places import CURRENT, resolve

LOOK_AGAIN_S = 1.0
"""How often the files are looked at; a switch of current.pkl answers at most about this much later."""

log = logging.getLogger("uvicorn.error")  # where a person on call looks

Mark = tuple[tuple[int, int, int, int] | None, ...]


class CurrentModel:
    """The model of this moment; a request keeps the one it began with.

    A model that must not be used, or whose difficulty table is absent or damaged, leaves the one before it in service,
    and the log says why; it is tried again when one of its files changes. Raises PredictorError where the first cannot
    be used.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._files: list[str] = []
        self._said = ""
        self._mark: Mark = ()
        self._model = self._loaded()

    def model(self) -> StrugglePredictionModel:
        """The model of this moment; several threads may ask."""
        return self._model

    def look(self) -> None:
        """Takes a switched model into service. One thread at a time."""
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
        """Raises ModelRefused where the model in service can no longer read its difficulty table."""
        table = self._model.difficulty
        if table is not None:
            table.facing("", ("",), ("",))

    def _loaded(self) -> StrugglePredictionModel:
        """Raises PredictorError. Marks are taken before the reading, so that what changes meanwhile is read again."""
        asked = [] if self._name == RULES else [resolve(CURRENT if self._name is None else self._name)]
        if self._name is not None and os.path.exists(self._name):
            asked = [os.path.abspath(self._name)]
        self._files = asked
        self._mark = self._marks()
        model = load(self._name)
        table = table_path(model)
        found = {model.path, table} - {None, *asked}
        self._files = asked + sorted(str(each) for each in found)
        self._mark += tuple(map(_mark_of, self._files[len(asked) :]))
        check_table(model)
        return model

    def _marks(self) -> Mark:
        return tuple(map(_mark_of, self._files))


def check_table(model: StrugglePredictionModel) -> None:
    """Raises ModelRefused unless the difficulty table that the model names is there, whole, and can be read."""
    path, saved = table_path(model), model.saved
    if path is None or saved is None or saved.difficulty is None:
        return
    if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe would wait for its writer
        raise ModelRefused(f"the difficulty table {path} is no regular file")
    table = model.difficulty
    if table is not None:
        table.facing("", ("",), ("",))
    try:
        with open(path, "rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == saved.difficulty[1]
    except OSError as error:
        raise ModelRefused(f"the difficulty table {path} cannot be read: {error.strerror}") from None
    if not whole:
        raise ModelRefused(f"the difficulty table {path} is not the one that the model was trained with")


def table_path(model: StrugglePredictionModel) -> str | None:
    """Where the difficulty table lies that the model names; None where it names none."""
    if model.saved is None or model.saved.difficulty is None or model.path is None:
        return None
    return os.path.join(os.path.dirname(model.path), model.saved.difficulty[0])


def _mark_of(path: str) -> tuple[int, int, int, int] | None:
    """What changes when a file does: another file, other content, or other permissions."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
