"""The newest rows of one source: the queries for one learner, for many, and for one with very many rows.

Where a form joins other tables, the newest rows are selected in the innermost SELECT, before any join, and the instant
by which they are ordered is computed there once, as "__at".
"""

from __future__ import annotations

from db.sql.templates import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.sql.templates import Results

AT = '"__at"'


class PerLearner:
    """A source of which each learner has rows of their own.

    columns: what is selected; AT stands for the source's instant. dated: the rows are before as_of (else they are
    plans, before and after it, and the nearest ones are read). size: the query for how many rows the learner has, at
    most the parameter `crowd`. selects_first: whether the newest rows are selected before the columns are computed, as
    is necessary with joins. one: the newest rows of one learner. The other attributes are parts of that query, from
    which `of_many` and db/reading/crowded_learner.py make the other forms where they are needed.
    """

    __slots__ = (
        *("alias", "at", "columns", "dated", "end", "joins", "limited", "one", "order", "own", "rows", "size"),
        *("selects_first", "source", "wanted"),
    )

    def __init__(
        self,
        source: str,
        alias: str,
        columns: tuple[str, ...],
        instant: str,
        *,
        dated: bool = True,
        where: str = "",
        joins: str = "",
        selects_first: bool = False,
    ) -> None:
        self.source, self.alias, self.joins, self.dated = source, alias, joins, dated
        self.selects_first = selects_first or bool(joins)
        self.own, self.at = own, at = f"{{{alias}.userId}}", f"{{{alias}.{instant}"
        self.columns = tuple([f"{alias}.{AT}" if column == AT else column for column in columns])
        self.rows = f"SELECT {{{alias}:columns}}, {at}:ms}} AS {AT}"
        ties = f"{{{alias}.id:byte_order}} DESC"
        self.order = f"{at}:{'newest' if dated else 'nearest'}}}, {ties}"
        # By the computed instant: to walk along an index on the column would be a mistake with this few rows.
        self.limited = f"ORDER BY {f'{AT} DESC' if dated else f'{at}:nearest}}'}, {ties} LIMIT {{given:limit}}"
        self.wanted = f" AND {at}:before}}{where}" if dated else where
        self.end = f") AS {alias} {joins} ORDER BY {alias}.{AT} DESC, {ties}"
        mine = f"WHERE {own} = {{given:learner}}"
        crowd = f"FROM (SELECT 1 AS one FROM {{{alias}}} {mine} LIMIT {{given:crowd}}) AS crowd"
        self.size = Template(source, ("count(*)",), crowd)
        # As a table of one row or none it keeps SQLite from looking at the rows; as a condition it would not.
        few = f"(SELECT 1 AS few WHERE (SELECT count(*) {crowd}) < {{given:crowd}}) AS gate CROSS JOIN "
        self.one = self._one(columns, f"{few if dated else ''}{{{alias}}} {mine}", ties)

    def _one(self, columns: tuple[str, ...], mine: str, ties: str) -> Template:
        """mine: the learner's rows, as a FROM and a WHERE have them. ties: what orders rows of the same instant."""
        if self.selects_first:
            newest = f"({self.rows} FROM {mine}{self.wanted} {self.limited}"
            return Template(self.source, self.columns, f"FROM {newest}{self.end}")
        order = f"{self.at}:{'unindexed_newest' if self.dated else 'nearest'}}}, {ties}"
        return Template(
            self.source, self._flat(columns), f"FROM {mine}{self.wanted} ORDER BY {order} LIMIT {{given:limit}}"
        )

    def _flat(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """The columns where no inner SELECT has computed the instant."""
        return tuple([f"{self.at}:ms}}" if column == AT else column for column in columns])


class Repeating(PerLearner):
    """A dated source of thousands of rows that refer to the same few things again and again, as reviews refer to cards.

    The first column is the key of such a thing, and the next ones, as many as `described`, come from the tables that
    `joins` names. `one` leaves these out; `described_by_learner` reads them once for each key that the learner has, and
    `described_by_key` for each of the parameter `keys`. `described` puts the two together.
    """

    __slots__ = ("_described", "_place", "described_by_key", "described_by_learner")

    def __init__(
        self, source: str, alias: str, columns: tuple[str, ...], instant: str, *, joins: str, described: int
    ) -> None:
        self._described = described
        super().__init__(source, alias, columns, instant, joins=joins)

    def _one(self, columns: tuple[str, ...], mine: str, ties: str) -> Template:
        key, *others = columns
        narrow = (key, *others[self._described :])
        self._place = narrow.index(AT)
        bare, _, _ = key.partition(":")
        each = f"{bare}:each_own}} FROM {mine}{bare}:each_end}}"
        things = (key, *others[: self._described])
        self.described_by_learner = Template(self.source, things, f"FROM {each} {self.joins}")
        self.described_by_key = Template(self.source, things, f"FROM {bare}:each_key}} {self.joins}")
        newest = f"{self.at}:and_before}} ORDER BY {self.at}:unindexed_newest}}, {ties}{self.at}:and_limit}}"
        return Template(self.source, self._flat(narrow), f"FROM {mine}{newest}")

    def newest(self, found: Results, as_of_ms: int, limit: int) -> Results:
        """The rows before as_of, at most `limit`. found: those of `one`, newest first, which may be more."""
        place, first = self._place, 0
        while first < len(found) and not (type(at := found[first][place]) is int and at < as_of_ms):
            first += 1
        return found[first : first + limit]

    def described(self, newest: Results, things: Results) -> Results:
        """The rows with the columns of `columns`.

        things: the rows that their keys refer to; a key without a row gets nulls.
        """
        known = {thing[0]: thing for thing in things}
        nothing = (None,) * self._described
        return [(known.get(row[0]) or (row[0], *nothing)) + row[1:] for row in newest]


def of_many(of: PerLearner) -> Template:
    """The newest rows of each of many learners; the learner's id comes before the columns."""
    nth = f'row_number() OVER (PARTITION BY {of.own} ORDER BY {of.order}) AS "__nth"'
    return Template(
        of.source,
        (f"{{{of.alias}.userId:text}}", *of.columns),
        f"FROM ({of.rows}, {nth} FROM {{{of.alias}}} WHERE {{{of.alias}.userId:among}}{of.wanted})"
        f' AS {of.alias} {of.joins} WHERE {of.alias}."__nth" <= {{given:limit}} ORDER BY {of.own}, {of.alias}."__nth"',
    )
