"""The model directory: immutable versions, and current.pkl, which is always one of them, whole.

    models/struggle_prediction_v1.0_2026-11-23.pkl     a version; .2, .3 ... when a day has several
    models/struggle_prediction_v1.0_2026-11-23.json    its card
    models/difficulty-<hash>-<size>-<stamp>.sqlite3    objective difficulties that versions name by their hash
    models/current.pkl                                 a copy of the version that answers
    models/difficulty.current                          names the difficulties that are kept up to date for it
    models/difficulty.state                            what is needed to keep them up to date, for its owner alone
    models/levels.json                                 the levels, and the operating threshold of the model that answers
    models/promotions.jsonl                            which version replaced which, when and why; rollback reads it;
                                                       and how each challenger compares with the champion

A version is written once and never touched again. current.pkl is replaced by one rename, so that a prediction
started at any moment reads the old model or the new one. The line in promotions.jsonl is written before the rename:
a crash between the two leaves a line whose model never answered, which rollback skips.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager

from ml.errors import ModelNotFound, ModelRefused
from ml.instants import iso
from ml.places import CURRENT, LEVELS_FILE, POINTER, content_of
from ml.storage import atomic_files, model_file
from ml.storage.contests import KEY, Contest
from ml.storage.difficulty_file import name_of
from ml.storage.difficulty_pointer import DifficultyPointer, read_pointer
from ml.storage.difficulty_table import DifficultyTable
from ml.storage.levels_switch import Switch, switch
from ml.storage.locks import NOTHING_BUT_A_FILE, lock
from ml.storage.promotions import ROLLBACK, Promotions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ml.scoring.scorecard import SavedModel

PREFIX = "struggle_prediction_v1.0_"
_VERSION = re.compile(re.escape(PREFIX) + r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([0-9]{1,9}))?")
_TABLE = re.compile(rb"difficulty-[0-9a-f-]+\.sqlite3")
_PROMOTIONS = "promotions.jsonl"
STATE = "difficulty.state"
_LOCK = ".lock"
_MOST_BYTES_OF_A_CARD = 4 * 1024 * 1024


class Registry:
    """The versions in one directory. Reading needs no lock; whoever writes must hold `locked()`."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)
        self._promotions = Promotions(self._path(_PROMOTIONS))

    def prepare(self) -> None:
        """Makes the directory where it is absent. Raises ModelRefused where nothing can be written there."""
        try:
            os.makedirs(self.directory, exist_ok=True)
        except OSError as error:
            raise ModelRefused(f"the model directory {self.directory} cannot be made: {error.strerror}") from None
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise ModelRefused(f"the model directory {self.directory} cannot be written to")

    @contextmanager
    def locked(self, wait: bool = True) -> Iterator[None]:
        """Holds the lock for writing, which one process has at a time and which is released even if it is killed.

        With wait=False it raises BlockingIOError while another process holds the lock. It is not reentrant. Taking the
        lock also removes what killed processes left unfinished. Raises ModelRefused where the directory cannot be
        written to.
        """
        self.prepare()
        flags = os.O_RDWR | os.O_CREAT | (NOTHING_BUT_A_FILE & ~getattr(os, "O_NONBLOCK", 0))
        try:
            handle = os.open(self._path(_LOCK), flags, 0o644)
        except OSError as error:
            raise ModelRefused(f"the model directory {self.directory} cannot be locked: {error.strerror}") from None
        try:
            lock(handle, wait)
            atomic_files.sweep(self.directory)
            yield
        finally:
            os.close(handle)

    def versions(self) -> list[str]:
        """The names of all versions, oldest first. Raises ModelRefused where the path is not a readable directory."""
        files = self._files()
        found = [(order, name[:-4]) for name in files if name.endswith(".pkl") and (order := _order(name[:-4]))]
        return [name for _, name in sorted(found)]

    def path(self, version: str) -> str:
        """The path of a version. Raises ModelNotFound where no version has that name."""
        if not _order(version) or not os.path.exists(self._path(version + ".pkl")):
            raise ModelNotFound(f"there is no model version {version!r} in {self.directory}")
        return self._path(version + ".pkl")

    def read(self, version: str) -> SavedModel:
        """Reads a version's model. Raises ModelNotFound, ModelRefused."""
        return model_file.read(self.path(version))

    def card(self, version: str) -> Mapping[str, object]:
        """A version's card; empty where the version was saved without one, or where the file is not a card."""
        try:
            found = json.loads(content_of(self._path(version + ".json"), _MOST_BYTES_OF_A_CARD))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def current(self) -> str | None:
        """The name of the model that answers; None where current.pkl is absent. Raises ModelRefused."""
        path = self._path(CURRENT)
        try:
            return model_file.read(path).model_version
        except ModelNotFound:
            if os.path.islink(path):
                raise ModelRefused(f"{path} is a link that leads nowhere") from None
            return None

    def add(self, saved: SavedModel, date: str, card: Mapping[str, object] | None = None) -> str:
        """Saves a new version under the date (YYYY-MM-DD) with the next free number, and returns its name."""
        number = 1
        while True:
            version = PREFIX + date + (f".{number}" if number > 1 else "")
            content = model_file.dump(saved.but(model_version=version))
            try:
                self._put(version + ".pkl", content, replace=False)
                break
            except FileExistsError:
                number += 1
        if card is not None:
            self._put(
                version + ".json", json.dumps({**card, "model_version": version}, indent=1).encode(), replace=True
            )
        return version

    def add_difficulty(self, content: bytes) -> tuple[str, str]:
        """Saves a difficulty table under its hash, and returns how a model refers to it: (file name, sha256)."""
        digest = model_file.sha256(content)
        name = name_of(content, digest)
        self._put(name, content, replace=True)
        return name, digest

    def pointer(self) -> DifficultyPointer | None:
        """What difficulty.current says; None where it is absent or must not be used."""
        try:
            return read_pointer(self._path(POINTER))
        except ModelRefused:
            return None

    def keep_difficulty(self, content: bytes, cutoff_ms: int, correct_from: str, model_version: str) -> str:
        """Saves a difficulty table, lets predictions of that version use it from now on, and returns its name.

        The table that was used until now stays for those who are about to open it; the one before that goes, unless a
        model names it.
        """
        name, digest = self.add_difficulty(content)
        last = self.pointer()
        before = "" if last is None else last.table if last.table != name else last.before
        pointer = DifficultyPointer(name, digest, cutoff_ms, correct_from, model_version, before)
        self._put(POINTER, pointer.content(), replace=True)
        if last is not None and last.before not in ("", name, before) and last.before not in self._named_tables():
            self._unlinked(last.before)
        return name

    def drop_kept_difficulty(self) -> list[str]:
        """Removes difficulty.current and the tables that it alone names. Returns the files' names."""
        last = self.pointer()
        removed = [POINTER] if self._unlinked(POINTER) else []
        tables = () if last is None else {last.table, last.before} - {""} - self._named_tables()
        return removed + [name for name in sorted(tables) if self._unlinked(name)]

    def forget_state(self) -> bool:
        """Removes difficulty.state, so that the next update counts everything anew. Returns whether it was there."""
        there = self._unlinked(STATE)
        self._unlinked(STATE + "-journal")  # only after the file that it would be applied to
        return there

    def promote(self, version: str, at: str, why: str) -> str | None:
        """Makes a version answer from now on, and returns the version that answered before.

        at: the time of the promotion, in ISO 8601. The version is read and checked first, with the difficulty table
        that it names. Raises ModelNotFound, ModelRefused.
        """
        saved = self._checked(version)
        before = self._answering()
        self._switch(saved, version, before, at, why)
        return before

    def supersede(self, version: str, before: str | None, at: str, why: str) -> None:
        """Makes a version answer as `promote` does, with `before` as the version to which a rollback returns."""
        self._switch(self.read(version), version, before, at, why)

    def _switch(self, saved: SavedModel, version: str, before: str | None, at: str, why: str) -> None:
        self._refuse_a_directory()
        levels = switch(self._path(LEVELS_FILE), self.card(version), version, before, at)
        self._promotions.append(at, before, version, why)
        self._put_levels(levels)  # first: a prediction by the model that goes keeps its threshold
        self._put(CURRENT, model_file.dump(saved), replace=True)

    def _put_levels(self, levels: Switch) -> None:
        if levels.line is not None:
            self._promotions.add(levels.line)
        if levels.content is not None:
            self._put(LEVELS_FILE, levels.content, replace=True)

    def _refuse_a_directory(self) -> None:
        if os.path.isdir(self._path(CURRENT)) and not os.path.islink(self._path(CURRENT)):
            raise ModelRefused(f"{self._path(CURRENT)} is a directory; move it away first")

    def promotions(self) -> list[Mapping[str, str | None]]:
        """All promotions, oldest first; a damaged line is skipped. Raises ModelRefused."""
        return self._promotions.entries()

    def contests(self) -> list[Contest]:
        """How each challenger compared with the champion at its last look, oldest first. Raises ModelRefused."""
        return list({contest.began_ms: contest for contest in self._promotions.contests()}.values())

    def contest(self) -> Contest | None:
        """The comparison that goes on; None where the last one is over, where a version was promoted or rolled back
        since its last look, or where its challenger or the difficulty table that it names cannot be read.
        """
        last = self._promotions.contest()
        if last is None or last.over:
            return None
        try:
            self._checked(last.challenger)
        except (ModelNotFound, ModelRefused):
            return None
        return last

    def looked(self, contest: Contest) -> None:
        """Records a look at a challenger. Raises ModelRefused."""
        self._promotions.add({"at": iso(contest.looked_ms), KEY: contest.to_dict()})

    def drop_challengers(self, keep: int) -> list[str]:
        """Removes challengers whose comparison is over without a promotion, but for the newest `keep` of them.

        A challenger that was ever promoted, by hand for instance, stays, and so do the version that answers and its
        predecessor. It returns the files' names. Raises ModelRefused.
        """
        named = {entry[side] for entry in self.promotions() for side in ("from", "to")}
        over = [contest.challenger for contest in self.contests() if contest.over]
        unused = [version for version in self.versions() if version in over and version not in named]
        return self._take_away(unused[: max(0, len(unused) - keep)])

    def rollback(self, at: str, why: str) -> str | None:
        """Switches back to the version that answered before; where there was none, current.pkl is removed.

        It returns the version that answers now (None: the shipped model, or the rules). Two rollbacks go two versions
        back, not back and forth; a version that no longer exists or is damaged is skipped. Raises ModelNotFound where
        there is no current.pkl.
        """
        if not os.path.lexists(self._path(CURRENT)):
            raise ModelNotFound(f"there is no current model in {self.directory} to roll back from")
        levels = switch(self._path(LEVELS_FILE), {}, None, self._answering(), at)  # a damaged file is refused here
        for before in list(self._earlier()):
            try:
                self.promote(before, at, ROLLBACK + why)
            except (ModelNotFound, ModelRefused):
                continue
            return before
        self._refuse_a_directory()
        self._promotions.append(at, self._answering(), None, ROLLBACK + why)
        self._put_levels(levels)
        try:
            os.unlink(self._path(CURRENT))
        except OSError as error:
            raise ModelRefused(f"{self._path(CURRENT)} cannot be removed: {error.strerror}") from None
        return None

    def predecessor(self) -> str | None:
        """The version that a rollback would return to; None where it would return to the shipped model."""
        return next((version for version in self._earlier() if self._is_sound(version)), None)

    def remove(self, version: str) -> list[str]:
        """Removes a version for good, with its card and, if no other model names it, its difficulty table.

        It returns the files' names. Raises ModelNotFound, and ModelRefused for the version that answers.
        """
        self.path(version)
        if version == self._sound_current():
            raise ModelRefused(f"{version} answers now; promote another or roll back first")
        return self._take_away([version])

    def prune(self, keep: int) -> list[str]:
        """Removes all versions but the newest `keep`, the one that answers, the one before it, and the challenger that
        is being compared.

        Their cards go with them, and so do the tables that no model names any more and cards without a version. It
        returns the files' names. Raises ModelRefused.
        """
        versions = self.versions()
        kept = {self._sound_current(), self.predecessor(), *versions[len(versions) - keep if keep else len(versions) :]}
        contest = self.contest()
        kept |= set() if contest is None else {contest.challenger}
        return self._take_away([version for version in versions if version not in kept])

    def _take_away(self, versions: list[str]) -> list[str]:
        gone = [version + suffix for version in versions for suffix in (".pkl", ".json")]
        removed = [name for name in gone if self._unlinked(name)]
        files = self._files()
        kept = self.pointer()
        named = self._named_tables() | ({kept.table} if kept else set())
        cards = [n for n in files if n.endswith(".json") and _order(n[:-5]) and n[:-5] + ".pkl" not in files]
        tables = [n for n in files if _TABLE.fullmatch(os.fsencode(n)) and n not in named]
        return removed + [name for name in cards + tables if self._unlinked(name)]

    def _named_tables(self) -> set[str]:
        """The tables that models name; a model that is refused today, of another format for instance, keeps its own."""
        models = (name for name in self._files() if name.endswith(".pkl"))
        return {os.fsdecode(found) for name in models for found in _TABLE.findall(self._content(name))}

    def _unlinked(self, name: str) -> bool:
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ModelRefused(f"{self._path(name)} cannot be removed: {error.strerror}") from None
        return True

    def _content(self, name: str) -> bytes:
        """The bytes of a model file; empty where it must not be read."""
        try:
            return content_of(self._path(name), model_file.MAX_BYTES)
        except OSError:
            return b""

    def _files(self) -> list[str]:
        try:
            return os.listdir(self.directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ModelRefused(f"the model directory {self.directory} cannot be read: {error.strerror}") from None

    def _earlier(self) -> Iterator[str]:
        """The versions that answered before the one that answers now, going back from it."""
        version = self._answering()
        met = {version}
        while version is not None and (version := self._promotions.before(version)) not in met | {None}:
            met.add(version)
            yield version

    def _is_sound(self, version: str) -> bool:
        try:
            self.read(version)
        except (ModelNotFound, ModelRefused):
            return False
        return True

    def _sound_current(self) -> str | None:
        """As `current`, but a model that cannot be read raises ModelRefused, so that the wrong version is never
        removed."""
        try:
            return self.current()
        except ModelRefused as refusal:
            raise ModelRefused(f"{refusal}; promote a version or roll back first") from None

    def _answering(self) -> str | None:
        """The version that answers; where current.pkl is damaged, the one it was by the last promotion."""
        try:
            return self.current()
        except ModelRefused:
            return self._promotions.last()

    def _checked(self, version: str) -> SavedModel:
        saved = self.read(version)
        if saved.difficulty is not None:
            self._check_difficulty(*saved.difficulty)
        return saved

    def _check_difficulty(self, name: str, sha256: str) -> None:
        table = DifficultyTable.open(self._path(name))
        try:
            table.check(sha256)
        finally:
            table.close()

    def _put(self, name: str, content: bytes, replace: bool) -> None:
        os.makedirs(self.directory, exist_ok=True)
        atomic_files.put(self._path(name), content, replace)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)


def _order(version: str) -> tuple[str, int] | None:
    """(date, number) of a version's name; None where the name is not a version's."""
    named = _VERSION.fullmatch(version)
    return (named[1], int(named[2] or 1)) if named else None
