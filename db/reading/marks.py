"""Marks of snapshots: two snapshots of equal marks show the same database, so that what one read is valid in the other.

SQLite's mark is PRAGMA data_version, which changes for a connection with every commit of another one. PostgreSQL's is
the time at which the server was started, and which transactions its snapshot shows as ended: all that it has not in
common with another snapshot are transactions that wrote something. A standby's snapshots do not tell that. Nor do they
tell of a crash, which may take back what was not yet on the disk and ends every session; so a mark is good only for
sessions that existed already when it was read.

Equal marks prove nothing about rows that come from elsewhere than from the database's own tables: a foreign table's, or
those of a view, which may compute them from the time. Opened.is_kept is false where there are such.
"""

from __future__ import annotations

from time import monotonic

from db.reading import study
from db.sql.json_values import listed
from db.sql.templates import Opened, Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.sql.catalogue import Catalogue
    from db.sql.templates import Conversation, Dialect, Results
    from db.tables.models import Mapping

SQLITE_MARK = "PRAGMA data_version"
# With their schemas, since a glance's names are looked up on the path of the role.
_SERVER = (
    "CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL"
    " ELSE pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.pg_postmaster_start_time()), 'hex') END"
)
_SNAPSHOT = "CAST(pg_catalog.txid_current_snapshot() AS pg_catalog.text)"
POSTGRESQL_MARK = f"SELECT {_SERVER} AS c0, {_SNAPSHOT} AS c1"
POSTGRESQL_GLANCE = f"{POSTGRESQL_MARK}, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS c2"
"""The mark and the clock, by one statement without a transaction."""
_IS_NEW = f"concat({_SERVER}, ' ', {_SNAPSHOT}) <> %(mark)s"
"""A condition without a column is evaluated once; where it is false, PostgreSQL looks at no row."""

_SQLITE_STRANGERS = (
    "SELECT count(*) FROM json_each(:tables) AS named LEFT JOIN sqlite_master AS m ON m.name = named.value"
    " AND m.type = 'table' AND m.sql NOT LIKE 'create virtual %' WHERE m.name IS NULL"
)
_POSTGRESQL_STRANGERS = (
    "WITH RECURSIVE parts AS (SELECT to_regclass(CAST(named AS text)) AS oid, true AS is_whole"
    " FROM json_array_elements_text(CAST(%(tables)s AS json)) AS named UNION SELECT CAST(i.inhrelid AS regclass), false"
    " FROM pg_catalog.pg_inherits AS i JOIN parts ON parts.oid = i.inhparent)"
    " SELECT count(*) AS c0 FROM parts LEFT JOIN pg_catalog.pg_class AS c ON c.oid = parts.oid"
    " WHERE (c.relkind = ANY (CAST('{r,p,m}' AS \"char\"[])) AND c.relam IN (0, 2)"  # 2 is the heap's oid
    " AND (NOT is_whole OR has_table_privilege(c.oid, 'SELECT'))) IS NOT TRUE"
)


def opened_with_mark(
    dialect: Dialect,
    mapping: Mapping,
    known: Opened | None,
    host_clock_ms: Callable[[], int],
    vantage: object,
) -> Conversation[Opened]:
    """Opens as `study.opened` does, with the snapshot's mark; where it is that of the last snapshot, nothing else is
    asked than the time.

    vantage: what the marks of one connection to a SQLite file can be compared under; of a session of PostgreSQL, since
    when it exists.
    """
    about = dialect, mapping, known, host_clock_ms
    at = monotonic()
    same = known if known is not None and known.vantage == vantage else None
    mark: tuple[object, object] | None
    told: Results = ()
    if dialect.name == "sqlite":
        (((version,),),) = yield [Query(SQLITE_MARK, {}, 1)]
        mark = (vantage, version)
        if same is not None and same.mark == mark:
            return (yield from _still(same, at, [], host_clock_ms))
        opened = yield from study.opened(*about)
    else:
        columns, *clock, ((server, snapshot),), told = yield _asked_of_postgresql(dialect, mapping, known, same)
        mark = None if server is None else (server, snapshot)
        if same is not None and mark is not None and same.mark == mark:
            return (yield from _still(same, at, clock, host_clock_ms))
        opened = yield from study.opened_from(*about, columns, clock)
    opened.mark, opened.vantage, opened.at = mark, vantage, at
    if known is None or opened.renderer is not known.renderer or not told:
        (told,) = yield [_strangers(dialect, opened.renderer.catalogue)]
    opened.is_kept = told[0][0] == 0
    return opened


def _asked_of_postgresql(dialect: Dialect, mapping: Mapping, known: Opened | None, same: Opened | None) -> list[Query]:
    """The catalogue and what it does not tell, unless the mark is the session's last one; the clock and the mark.

    known: what was opened last; same: if it was in this session.
    """
    server, snapshot = same.mark if same is not None and same.mark is not None else ("", "")
    mark = {"mark": f"{server} {snapshot}"}
    catalogue, *clock = study.asked_at_first(dialect, mapping)
    asked = [Query(f"{catalogue.sql} AND {_IS_NEW}", {**catalogue.parameters, **mark}, catalogue.width), *clock]
    asked.append(Query(POSTGRESQL_MARK, {}, 2))
    if known is None:
        return [*asked, Query("SELECT 1 AS c0 WHERE 1 = 0", {}, 1)]
    strangers = _strangers(dialect, known.renderer.catalogue)
    sql = f"SELECT told.c0 FROM ({strangers.sql}) AS told WHERE {_IS_NEW}"
    return [*asked, Query(sql, {**strangers.parameters, **mark}, 1)]


def _still(
    known: Opened, at: float, clock: Sequence[Results], host_clock_ms: Callable[[], int]
) -> Conversation[Opened]:
    """The same catalogue at another time."""
    now_ms = known.now_ms
    if not (known.renderer.catalogue.has_own_clock and known.is_kept):
        now_ms = yield from study.moment(known.renderer, clock, host_clock_ms)
    return _later(known, at, now_ms)


def at_a_glance(known: Opened, at: float, vantage: object, mark: tuple[object, object], clock_ms: int) -> Opened | None:
    """What `opened_with_mark` would return, where the mark alone tells; else None.

    known: what was opened last. at: before the mark was read.
    """
    has_own_clock = known.renderer.catalogue.has_own_clock
    if known.mark != mark or known.vantage != vantage or (has_own_clock and not known.is_kept):
        return None
    return _later(known, at, known.now_ms if has_own_clock else clock_ms)


def _later(known: Opened, at: float, now_ms: int) -> Opened:
    opened = Opened(known.columns, known.renderer, now_ms)
    opened.mark, opened.is_kept, opened.vantage, opened.at = known.mark, known.is_kept, known.vantage, at
    return opened


def _strangers(dialect: Dialect, catalogue: Catalogue) -> Query:
    """Counts what is read and is not the database's own table, or of which the role may not see rows' versions."""
    names = [(catalogue.schema(model), catalogue.mapping.table(model)) for model in catalogue.models()]
    if dialect.name == "sqlite":
        return Query(_SQLITE_STRANGERS, {"tables": listed([table for _, table in names])}, 1)
    quoted = [".".join(f'"{part.replace(chr(34), 2 * chr(34))}"' for part in name if part) for name in names]
    return Query(_POSTGRESQL_STRANGERS, {"tables": listed(quoted)}, 1)
