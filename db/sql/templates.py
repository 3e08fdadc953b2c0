"""Queries written once become SQL for one dialect and one database's own names, and are asked in batches.

A template is a list of columns and the rest of a SELECT. `{r}` means a table with its alias, `{r.cardId}` a column; a
specification after a colon asks the dialect for an expression: `{r.reviewedAt:before}` is "dated before as_of".
`{given:name}` is a parameter. A table that the database lacks is treated as empty, a column that it lacks as null.
"""

from __future__ import annotations

from db.sql.dialects import ABSENT, POSTGRESQL_ROW_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from collections.abc import Mapping as Dictionary
    from typing import TypeVar

    from db.sql.catalogue import Catalogue
    from db.sql.dialects import PostgreSQL, SQLite

    Dialect = SQLite | PostgreSQL
    Results = Sequence[tuple[object, ...]]
    Answer = TypeVar("Answer")
    Conversation = Generator[Sequence["Query"], Sequence[Results], Answer]
    """A generator that asks batches of queries and is sent their results (db/reading/study.py)."""

ALIASES = {
    "d": "DemoClock",
    "u": "User",
    "c": "Course",
    "l": "Lecture",
    "o": "LearningObjective",
    "w": "ObjectivePrerequisite",
    "k": "Card",
    "r": "Review",
    "s": "StudySession",
    "q": "ValidationPrompt",
    "v": "ValidationResponse",
    "m": "PerformanceMetric",
    "p": "BehavioralPattern",
    "e": "BehavioralEvent",
    "f": "UserLearningProfile",
    "x": "Exam",
    "n": "Mission",
    "g": "StrugglePrediction",
    "h": "PredictionFeedback",
}


class Template:
    """A query before the dialect and the catalogue are known.

    source: the model whose absence means that there are no rows.
    """

    __slots__ = ("columns", "rest", "source")

    def __init__(self, source: str, columns: tuple[str, ...], rest: str) -> None:
        self.source = source
        self.columns = columns
        self.rest = rest


class Query:
    """SQL in the driver's parameter style, the parameters by name, and how many columns come back."""

    __slots__ = ("parameters", "sql", "width")

    def __init__(self, sql: str, parameters: Dictionary[str, object], width: int) -> None:
        self.sql = sql
        self.parameters = parameters
        self.width = width


class Column:
    """A column in a query; a format specification names the method of the dialect that makes its expression."""

    __slots__ = ("_dialect", "sql", "type")

    def __init__(self, dialect: Dialect, sql: str, kind: str) -> None:
        self._dialect = dialect
        self.sql = sql
        self.type = kind

    def __format__(self, specification: str) -> str:
        return str(getattr(self._dialect, specification)(self)) if specification else self.sql


class _Table:
    """An alias inside a template: formatted, the table; its attributes, the columns; `{r:columns}` all it has.
    `{r:version}`, for PostgreSQL alone, tells one version of a row from every other one.

    Never `r.*`: a role may have been granted the columns that are read, and no others.
    """

    def __init__(self, dialect: Dialect, catalogue: Catalogue, alias: str) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._alias = alias
        self._model = ALIASES[alias]

    def __format__(self, specification: str) -> str:
        if self._model not in self._catalogue:
            return ABSENT if specification == "version" else f"(SELECT 1 WHERE 1 = 0) AS {self._alias}"
        if specification == "columns":
            return ", ".join(getattr(self, field).sql for field in self._catalogue.fields(self._model))
        if specification == "version":
            return POSTGRESQL_ROW_VERSION.format(alias=self._alias)
        schema = self._catalogue.schema(self._model)
        table = self._dialect.identifier(self._catalogue.mapping.table(self._model))
        return f"{self._dialect.identifier(schema)}.{table} AS {self._alias}" if schema else f"{table} AS {self._alias}"

    def __getattr__(self, field: str) -> Column:
        kind = self._catalogue.type(self._model, field)
        if kind is None:
            return Column(self._dialect, ABSENT, "")
        column = self._dialect.identifier(self._catalogue.mapping.column(self._model, field))
        return Column(self._dialect, f"{self._alias}.{column}", kind)


class _Parameters:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def __format__(self, name: str) -> str:
        return self._dialect.parameter(name)


class Renderer:
    """Turns templates into SQL for one dialect and one database's catalogue; each is rendered once."""

    __slots__ = ("_names", "_rendered", "catalogue", "dialect")

    def __init__(self, dialect: Dialect, catalogue: Catalogue) -> None:
        self.dialect = dialect
        self.catalogue = catalogue
        self._names = {alias: _Table(dialect, catalogue, alias) for alias in ALIASES}
        self._names["given"] = _Parameters(dialect)  # type: ignore[assignment]
        self._rendered: dict[Template, str] = {}

    def query(self, template: Template, **parameters: object) -> Query:
        """The query with its parameters."""
        sql = self._rendered.get(template)
        if sql is None:
            columns = ", ".join(f"{column} AS c{place}" for place, column in enumerate(template.columns))
            sql = self._rendered[template] = f"SELECT {columns} {template.rest}".format_map(self._names)
        return Query(sql, parameters, len(template.columns))


class Batch:
    """Queries to send together; those whose source the database lacks are answered here, with no rows."""

    def __init__(self, renderer: Renderer) -> None:
        self.dialect = renderer.dialect
        self._renderer = renderer
        self._asked: list[Query] = []
        self._names: list[str] = []
        self._absent: dict[str, Results] = {}

    def add(self, name: str, template: Template, **parameters: object) -> None:
        """Adds a query, whose results will be under that name."""
        if template.source in self._renderer.catalogue:
            self._names.append(name)
            self._asked.append(self._renderer.query(template, **parameters))
        else:
            self._absent[name] = ()

    def ask(self) -> Conversation[dict[str, Results]]:
        """Sends the queries and returns their results by name; the batch is empty afterwards."""
        asked, names, absent = self._asked, self._names, self._absent
        self._asked, self._names, self._absent = [], [], {}
        answered = (yield asked) if asked else ()
        return {**absent, **dict(zip(names, answered))}


class Opened:
    """The start of a snapshot: which tables the database has, and what time it is there.

    mark: what tells the snapshot from another one, None where nothing does; is_kept: whether what it shows stays the
    same under the same mark; vantage: what marks of SQLite can be compared under, and since when PostgreSQL's session
    exists; at: before the snapshot, on the same clock, time.monotonic's. They are asked only where rows are kept
    (db/reading/marks.py).
    """

    __slots__ = ("at", "columns", "is_kept", "mark", "now_ms", "renderer", "vantage")

    def __init__(self, columns: Results, renderer: Renderer, now_ms: int) -> None:
        self.columns = columns
        self.renderer = renderer
        self.now_ms = now_ms
        self.mark: tuple[object, object] | None = None
        self.is_kept = False
        self.vantage: object = None
        self.at = 0.0
