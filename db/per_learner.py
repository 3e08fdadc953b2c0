"""One learner's newest rows of one source, in the forms that reading needs: of one learner, of many, of a crowded one.

The newest rows are cut off in the innermost SELECT, before any join. Where a source is ordered by an instant, that
instant is computed there once, as "__at".
"""

from __future__ import annotations

from db.templates import Template

AT = '"__at"'


class PerLearner:
    """A source of which each learner has rows of their own.

    columns: what is selected; AT stands for the source's instant. `many` selects the learner's id before them.
    dated: the rows lie before as_of (else they are plans, on both sides of it, and the nearest ones are read).
    """

    __slots__ = ("crowded_by_learner", "crowded_by_time", "dated", "is_crowded", "late", "many", "one", "range_size")

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
        inner = f"SELECT {alias}.*, {at}:ms}} AS {AT} FROM {{{alias}}} WHERE"
        self.dated = dated
        ordered = f"{at}:{'newest' if dated else 'nearest'}}}, {{{alias}.id:byte_order}} DESC"
        wanted = f" AND {at}:before}}{where}" if dated else where
        end = f") AS {alias} {joins} ORDER BY {ordered}"
        of_learner = f"{own} = {{given:learner}}"
        crowd = f"FROM (SELECT 1 AS one FROM {{{alias}}} WHERE {of_learner} LIMIT {{given:crowd}}) AS crowd"
        few = f" AND (SELECT count(*) {crowd}) < {{given:crowd}}" if dated else ""
        limited = f"ORDER BY {ordered} LIMIT {{given:limit}}"
        self.one = Template(source, columns, f"FROM ({inner} {of_learner}{few}{wanted} {limited}{end}")
        self.is_crowded = Template(source, ("count(*)",), crowd)
        nth = f'row_number() OVER (PARTITION BY {own} ORDER BY {ordered}) AS "__nth"'
        self.many = Template(
            source,
            (f"{{{alias}.userId:text}}", *columns),
            f'FROM (SELECT {alias}.*, {at}:ms}} AS {AT}, {nth} FROM {{{alias}}} WHERE {{{alias}.userId:among}}{wanted})'
            f' AS {alias} {joins} WHERE {alias}."__nth" <= {{given:limit}} ORDER BY {own}, {alias}."__nth"',
        )
        # Entries of an index for one key lie in the order in which the rows were stored, which is nearly that of
        # their instants: the last ones of the learner bound from below the instants of the newest.
        self.late = Template(
            source,
            (f"min(late.{AT})", "count(*)"),
            f"FROM (SELECT {at}:ms}} AS {AT} FROM {{{alias}}} WHERE {own} >= {{given:learner}}"
            f" AND {own} <= {{given:learner}}{wanted} ORDER BY {own} DESC LIMIT {{given:limit}}) AS late",
        )
        self.range_size = Template(
            source,
            ("count(*)",),
            f"FROM (SELECT 1 AS one FROM {{{alias}}} WHERE {at}:in_range}} LIMIT {{given:budget}}) AS crowd",
        )
        in_range = f" AND {at}:in_range}}{wanted}"
        self.crowded_by_learner = Template(source, columns, f"FROM ({inner} {of_learner}{in_range} {limited}{end}")
        by_time = f"{{{alias}.userId:unindexed}} = {{given:learner}}"
        self.crowded_by_time = Template(source, columns, f"FROM ({inner} {by_time}{in_range} {limited}{end}")
