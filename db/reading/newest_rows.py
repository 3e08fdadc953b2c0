"""One learner's newest rows of one source, in the forms that reading needs: of one learner, of many, of a crowded one.

The newest rows are cut off in the innermost SELECT, before any join. The instant by which they are ordered is
computed there once, as "__at".
"""

from __future__ import annotations

from db.sql.templates import Template

AT = '"__at"'


class PerLearner:
    """A source of which each learner has rows of their own.

    columns: what is selected; AT stands for the source's instant. dated: the rows lie before as_of (else they are
    plans, on both sides of it, and the nearest ones are read). size: how many rows the learner has, at most the
    parameter `crowd`. one: the newest rows of one learner. The other attributes are parts of that query, of which
    `of_many` and db/reading/crowded_learner.py make the other forms where they are needed.
    """

    __slots__ = (
        *("alias", "at", "columns", "dated", "end", "joins", "limited", "one", "order", "own", "rows", "size"),
        *("source", "wanted"),
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
    ) -> None:
        self.source, self.alias, self.joins, self.dated = source, alias, joins, dated
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
        gate = few if dated else ""
        self.one = Template(
            source,
            self.columns,
            f"FROM ({self.rows} FROM {gate}{{{alias}}} {mine}{self.wanted} {self.limited}{self.end}",
        )


def of_many(of: PerLearner) -> Template:
    """The newest rows of each of many learners; the learner's id comes before the columns."""
    nth = f'row_number() OVER (PARTITION BY {of.own} ORDER BY {of.order}) AS "__nth"'
    return Template(
        of.source,
        (f"{{{of.alias}.userId:text}}", *of.columns),
        f"FROM ({of.rows}, {nth} FROM {{{of.alias}}} WHERE {{{of.alias}.userId:among}}{of.wanted})"
        f' AS {of.alias} {of.joins} WHERE {of.alias}."__nth" <= {{given:limit}} ORDER BY {of.own}, {of.alias}."__nth"',
    )
