"""One learner's newest rows of one source, in the forms that reading needs: of one learner, of many, of a crowded one.

The newest rows are cut off in the innermost SELECT, before any join. The instant by which they are ordered is
computed there once, as "__at".
"""

from __future__ import annotations

from db.templates import Template

AT = '"__at"'


class PerLearner:
    """A source of which each learner has rows of their own.

    columns: what is selected; AT stands for the source's instant. `many` selects the learner's id before them.
    dated: the rows lie before as_of (else they are plans, on both sides of it, and the nearest ones are read).
    """

    __slots__ = ("crowded", "dated", "many", "one")

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
        own, at = f"{{{alias}.userId}}", f"{{{alias}.{instant}"
        columns = tuple(f"{alias}.{AT}" if column == AT else column for column in columns)
        rows = f"SELECT {{{alias}:columns}}, {at}:ms}} AS {AT}"
        ties = f"{{{alias}.id:byte_order}} DESC"
        order = f"{at}:{'newest' if dated else 'nearest'}}}, {ties}"
        # By the computed instant: to walk along an index on the column would be a mistake with this few rows.
        limited = f"ORDER BY {f'{AT} DESC' if dated else f'{at}:nearest}}'}, {ties} LIMIT {{given:limit}}"
        wanted = f" AND {at}:before}}{where}" if dated else where
        end = f") AS {alias} {joins} ORDER BY {alias}.{AT} DESC, {ties}"
        self.dated = dated
        self.crowded = Crowded(source, alias, columns, instant, rows, wanted, limited + end) if dated else None
        gate = ""
        if self.crowded is not None:
            # As a table of one row or none it keeps SQLite from looking at the rows; as a condition it would not.
            size = f"SELECT count(*) {self.crowded.is_so.rest}"
            gate = f"(SELECT 1 AS few WHERE ({size}) < {{given:crowd}}) AS gate CROSS JOIN "
        mine = f"WHERE {own} = {{given:learner}}{wanted}"
        self.one = Template(source, columns, f"FROM ({rows} FROM {gate}{{{alias}}} {mine} {limited}{end}")
        nth = f'row_number() OVER (PARTITION BY {own} ORDER BY {order}) AS "__nth"'
        self.many = Template(
            source,
            (f"{{{alias}.userId:text}}", *columns),
            f"FROM ({rows}, {nth} FROM {{{alias}}} WHERE {{{alias}.userId:among}}{wanted})"
            f' AS {alias} {joins} WHERE {alias}."__nth" <= {{given:limit}} ORDER BY {own}, {alias}."__nth"',
        )


class Crowded:
    """The same for a learner with so many rows that sorting them all would take too long.

    First a floor is found, an instant from which on there are certainly enough rows: the earliest of any `limit` of
    the learner's rows is one, and a good one if they are late rows. Then only what lies above the floor is sorted.
    """

    __slots__ = ("above_by_learner", "above_by_time", "early", "is_so", "late", "range_size", "walked")

    def __init__(
        self, source: str, alias: str, columns: tuple[str, ...], instant: str, rows: str, wanted: str, end: str
    ) -> None:
        own, at = f"{{{alias}.userId}}", f"{{{alias}.{instant}"
        lowest = (f"min(late.{AT})", "count(*)")
        self.is_so = Template(
            source,
            ("count(*)",),
            f"FROM (SELECT 1 AS one FROM {{{alias}}} WHERE {own} = {{given:learner}} LIMIT {{given:crowd}}) AS crowd",
        )
        # Entries of an index for one key lie in the order in which the rows were stored: nearly that of their instants,
        # or, where a history was imported newest first, the reverse of it.
        self.late, self.early = (
            Template(
                source,
                lowest,
                f"FROM (SELECT {at}:ms}} AS {AT} FROM {{{alias}}} WHERE {own} >= {{given:learner}}"
                f" AND {own} <= {{given:learner}}{wanted} ORDER BY {own} {direction} LIMIT {{given:limit}}) AS late",
            )
            for direction in ("DESC", "ASC")
        )
        # Everybody's newest rows, with texts and numbers apart in SQLite, where they do not mingle in an index.
        self.walked = {
            form: Template(
                source,
                lowest,
                f"FROM (SELECT {at}:ms}} AS {AT} FROM (SELECT {{{alias}:columns}} FROM {{{alias}}} WHERE {at}:{form}}}"
                f" ORDER BY {at}}} DESC LIMIT {{given:budget}}) AS {alias} WHERE {own} = {{given:learner}}{wanted}"
                " LIMIT {given:limit}) AS late",
            )
            for form in ("early", "early_text", "early_number")
        }
        self.range_size = Template(
            source,
            ("count(*)",),
            f"FROM (SELECT 1 AS one FROM {{{alias}}} WHERE {at}:above_floor}} LIMIT {{given:budget}}) AS crowd",
        )
        above = f"{{given:learner}} AND {at}:above_floor}}{wanted} {end}"
        self.above_by_learner = Template(source, columns, f"FROM ({rows} FROM {{{alias}}} WHERE {own} = {above}")
        unindexed = f"{{{alias}.userId:unindexed}}"
        self.above_by_time = Template(source, columns, f"FROM ({rows} FROM {{{alias}}} WHERE {unindexed} = {above}")
