"""Which difficulty table a prediction may use: one that knows nothing of what happened at its moment or later.

A model names the table of its training. Beside the model that answers, difficulty.current may name a newer one, which
is kept up to date.
"""

from __future__ import annotations

import os

from ml.errors import ModelRefused
from ml.storage.difficulty_pointer import read_pointer
from ml.storage.difficulty_table import DifficultyTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml.scoring.scorecard import SavedModel
    from ml.storage.difficulty_pointer import DifficultyPointer


class DifficultyTables:
    """The tables of one model, each opened on first use.

    Every method raises ModelRefused where a table, or the file that names it, is absent or must not be used.
    """

    def __init__(self, saved: SavedModel, directory: str, pointer_path: str | None, correct_from: str) -> None:
        """Reads which tables there are.

        Args:
            saved: the model.
            directory: where the table that the model names should be.
            pointer_path: where difficulty.current may be; None for a model that does not answer by default.
            correct_from: the deployment's setting.
        """
        self._named = saved.difficulty
        self._directory = directory
        self._pointer_path = pointer_path or ""
        found = read_pointer(pointer_path) if pointer_path else None
        self.kept: DifficultyPointer | None = None
        """What names the table that is kept up to date. One that is for another version of the model, or that was
        counted under another setting, waits for its next update and is left alone."""
        if found is not None and found.model_version == saved.model_version and found.correct_from == correct_from:
            self.kept = found
        self._own_table: DifficultyTable | None = None
        self._kept_table: DifficultyTable | None = None

    def at(self, as_of_ms: int | None) -> DifficultyTable | None:
        """The newest table that knows only what happened before as_of; None where there is none.

        as_of_ms: the moment of the prediction; None is now.
        """
        if self.kept is not None and (as_of_ms is None or self.kept.cutoff_ms <= as_of_ms):
            return self._newest(self.kept)
        own = self.own()
        return own if own is None or as_of_ms is None or own.cutoff_ms <= as_of_ms else None

    def own(self) -> DifficultyTable | None:
        """The table that the model itself names."""
        if self._own_table is None and self._named is not None:
            self._own_table = DifficultyTable.open(os.path.join(self._directory, self._named[0]))
        return self._own_table

    def _newest(self, kept: DifficultyPointer) -> DifficultyTable:
        if self._kept_table is None:
            table = DifficultyTable.open(self._path_of(kept))
            if table.cutoff_ms != kept.cutoff_ms or table.correct_from != kept.correct_from:
                table.close()
                raise ModelRefused(f"the difficulty table {table.path} is not the one that {self._pointer_path} names")
            self._kept_table = table
        return self._kept_table

    def _path_of(self, kept: DifficultyPointer) -> str:
        return os.path.join(os.path.dirname(self._pointer_path), kept.table)

    def paths(self) -> list[str]:
        """Where the tables should be, the newest first."""
        paths = [] if self.kept is None else [self._path_of(self.kept)]
        return paths if self._named is None else [*paths, os.path.join(self._directory, self._named[0])]

    def check(self) -> None:
        """Reads the whole tables, which must have the hashes under which they are named."""
        own = self.own()
        if own is not None and self._named is not None:
            own.check(self._named[1])
        if self.kept is not None:
            self._newest(self.kept).check(self.kept.sha256)
