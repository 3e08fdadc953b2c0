"""Writing to PostgreSQL."""

from __future__ import annotations

import json
from itertools import chain

from db.backends.postgres_failures import last_words, refusal, sentence, with_rights
from db.backends.postgres_hosts import servers
from db.errors import DatabaseConfiguration, DatabaseUnavailable, RowRefused, WriteRefused
from db.libpq_environment import SetAside, overriding
from db.sql.catalogue import admits
from db.sql.dialects import POSTGRESQL
from db.sql.instants import postgres_ms, stored_text
from db.sql.postgres_names import naming
from db.tables.ddl import TABLES
from db.writing.columns import column
from db.writing.copied_rows import CopiedRows
from db.writing.instant_texts import InstantTexts
from db.writing.statements import quoted
from db.writing.writer import ROWS_AT_ONCE, Writer, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from db.tables.models import Mapping
    from db.url import DatabaseURL
    from db.writing.columns import Column


OF_THE_ROW = ("22", "23", "44")
"""Classes of SQLSTATE for which the row is at fault: its values, a constraint, a view's condition.

What a trigger raises is not among them: it may speak of more than the row.
"""


class PostgreSQLWriter(Writer):
    """Ordinary transactions at the server's default isolation level; each begins with its first statement.

    BEGIN and COMMIT are sent as text over a connection that is left in psycopg2's autocommit, so that the settings of a
    transaction are sent together with its BEGIN, and a writer that waits for its caller is in no transaction.
    """

    dialect = POSTGRESQL.name

    def __init__(self, where: DatabaseURL, mapping: Mapping, patience_s: float, read_only: bool) -> None:
        try:
            import psycopg2
            import psycopg2.extensions
            import psycopg2.extras
        except ImportError:
            raise DatabaseConfiguration("PostgreSQL needs the package psycopg2-binary.") from None
        self._error = psycopg2.Error
        self._schema = where.schema
        self._patience_s = patience_s
        self._begun = False
        self._opening = "BEGIN READ ONLY" if read_only else "BEGIN"
        self._may_copy: bool | None = None
        self._copied = CopiedRows()
        self._searched: list[str] | None = None
        self._kinds: dict[str, dict[str, str]] = {}
        self._known: dict[tuple[str | None, str], tuple[str, str | None]] | None = None
        self._execute_values = psycopg2.extras.execute_values
        share = max(2, int(patience_s) // servers(where.keywords))
        named = int(where.keywords.get("connect_timeout") or share)
        keywords: dict[str, Any] = {
            **overriding(where.keywords),
            "connect_timeout": str(min(named or share, share)),  # libpq takes 0 for no limit
            "client_encoding": "UTF8",
        }
        try:
            with SetAside():
                connection = psycopg2.connect(**keywords)
        except psycopg2.Error as error:
            raise DatabaseUnavailable(refusal(where, error)) from None
        connection.autocommit = True
        self._register_type = psycopg2.extensions.register_type
        self._octets = psycopg2.extensions.BYTES
        self._encoding = connection.get_parameter_status("server_encoding") or "UTF8"
        super().__init__(mapping, where.label, connection)

    def _begin(self) -> None:
        """Nothing yet: a server may end a session that idles in a transaction."""

    def _cursor(self) -> Any:
        """A cursor inside the transaction, which is begun where none is open."""
        cursor = self._connection.cursor()
        self._register_type(self._octets, cursor)  # psycopg2 itself gives up at an odd byte
        if not self._begun:
            patience = f"SET LOCAL lock_timeout = {max(1, int(self._patience_s * 1000))};"
            opening = f"{self._opening};{naming(self._schema)}SET LOCAL TimeZone = 'UTC';{patience}"
            if self._encoding == "SQL_ASCII":  # the server would refuse to send what is no UTF-8
                opening += "SET LOCAL client_encoding = 'SQL_ASCII'"
            cursor.execute(opening)
            self._begun = True
        return cursor

    def _end(self) -> None:
        if not self._begun:
            return
        self._begun = False
        self._copied = CopiedRows()
        cursor = self._connection.cursor()
        try:
            cursor.execute("COMMIT")
        except self._error as error:
            raise self._failure(error) from None
        if cursor.statusmessage != "COMMIT":  # the server's answer where a statement of the transaction had failed
            raise WriteRefused(f"The PostgreSQL database {self.label} stored nothing: it had refused a statement.")

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        try:
            cursor = self._cursor()
            if parameters:
                cursor.execute(_percent_style(sql), tuple(parameters))
            else:
                cursor.execute(sql)
        except self._error as error:
            raise self._failure(error) from None
        return cursor

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        return [tuple(map(_decoded, row)) for row in super().query(sql, parameters)]

    def _possible(self, model: str, field: str, values: Sequence[str]) -> list[str]:
        if model not in self._kinds:
            self._described(model)
        kind = self._kinds[model].get(self.mapping.column(model, field))
        return [value for value in values if admits(kind, self._encoding, value)]

    def _insert(
        self, model: str, columns: Sequence[str], conflict: str, rows: Iterator[Sequence[object]], distinct: bool
    ) -> int:
        table, listed = self._table(model), ", ".join(columns)
        statement = f"INSERT INTO {table} ({listed}) VALUES ".replace("%", "%%") + "%s" + conflict.replace("%", "%%")
        stored = 0
        try:
            for chunk in chunks(rows, ROWS_AT_ONCE):
                if distinct and len(chunk) == ROWS_AT_ONCE and self._makes_temporary_tables():
                    stored += self._copied.insert(self._cursor, table, columns, conflict, chain(chunk, rows))
                    break
                cursor = self._cursor()
                self._execute_values(cursor, statement, chunk, page_size=ROWS_AT_ONCE)
                stored += cursor.rowcount
        except self._error as error:
            raise self._failure(error) from None
        return stored

    def _makes_temporary_tables(self) -> bool:
        if self._may_copy is None:
            asked = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
            self._may_copy = bool(self.query(asked)[0][0])
        return self._may_copy

    def _instants(self) -> Callable[[int], object]:
        return InstantTexts(zone="")

    def _failure(self, error: Any) -> DatabaseUnavailable | WriteRefused:
        said = with_rights(sentence(last_words(error, self._connection)), writes=True)
        if not error.pgcode or error.pgcode[:2] in ("08", "57"):
            return DatabaseUnavailable(f"The PostgreSQL database {self.label} broke off: {said}")
        kind = RowRefused if error.pgcode[:2] in OF_THE_ROW else WriteRefused
        return kind(f"The PostgreSQL database {self.label} refuses a statement ({error.pgcode}): {said}")

    def has(self, model: str) -> bool:
        _, refused = self._places().get((self.mapping.table_schema(model), self.mapping.table(model)), (None, ""))
        return refused is None

    def create_tables(self, indexed: bool = True) -> None:
        super().create_tables(indexed)
        self._known = None

    def schema(self) -> str:
        """The schema in which tables are made: the first of those that are searched."""
        if self._searched is None:
            searched = self.query(
                "SELECT CAST(unnest(CAST(current_setting('struggle.search_path') AS name[])) AS text)"
            )
            self._searched = [str(each) for (each,) in searched]
        return self._searched[0]

    def _described(self, model: str) -> dict[str, Column]:
        sql = """
            SELECT a.attname, COALESCE(base.typname, t.typname), a.atthasdef OR a.attidentity <> '',
                CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
                c.relkind NOT IN ('r', 'p') OR EXISTS (
                    SELECT FROM pg_catalog.pg_index AS i
                    WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
                      AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
                ),
                CASE WHEN t.typname IN ('timestamp', 'timestamptz') AND a.atttypmod IN (0, 1, 2)
                     THEN CAST(10 ^ (3 - a.atttypmod) AS integer) ELSE 1 END,
                a.attnotnull
            FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_type AS base ON base.oid = t.typbasetype
            WHERE a.attrelid = pg_catalog.to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped
        """
        found = self.query(sql, [self._table(model)])
        self._kinds[model] = {str(row[0]): str(row[1]) for row in found}
        return {
            str(name): column(str(kind), length, bool(made), bool(key), unit, bool(required))  # type: ignore[arg-type]
            for name, kind, made, length, key, unit, required in found
        }

    def existing_tables(self) -> list[str]:
        names = [table.name for table in TABLES.values()]
        return [name for name in names if (None, name) in self._places()]

    def _table(self, model: str) -> str:
        named, table = self.mapping.table_schema(model), self.mapping.table(model)
        schema, refused = self._places().get((named, table), (named or self.schema(), None))
        if refused is not None:
            raise WriteRefused(
                f"The table {table!r} in the schema {schema!r} belongs to the role {refused!r}, who owns neither that"
                f" schema nor {self.mapping.table('User')!r}: nothing is read from it or written to it."
            )
        return f"{quoted(schema)}.{quoted(table)}"

    def _places(self) -> dict[tuple[str | None, str], tuple[str, str | None]]:
        """(schema or None, table) -> the schema where it is, and its owner where that one's triggers must not run."""
        if self._known is None:
            mapping, default = self.mapping, [table.name for table in TABLES.values()]
            names = [mapping.table(model) for model in TABLES] + default
            schemas = [schema for model in TABLES if (schema := mapping.table_schema(model)) is not None]
            found = self.query(_PLACES, (names, schemas))
            schema_of_learners, learners = mapping.table_schema("User"), mapping.table("User")
            owners = [row[2] for row in found if row[1] == learners and row[0] == (schema_of_learners or row[0])]
            self._known = {}
            for place, table, owner, role, trusted, searched in found:
                refused = None if trusted or owner in owners[:1] else str(role)
                for within in (str(place), None) if searched else (str(place),):
                    self._known.setdefault((within, str(table)), (str(place), refused))
        return self._known

    def _stored(self, kind: str, value: object) -> object:
        if value is None:
            return None
        if kind == "DateTime":
            return stored_text(int(value))[:-6]  # type: ignore[call-overload]
        if kind == "String[]":
            return list(value)  # type: ignore[call-overload]
        return json.dumps(value) if kind == "Json" else value

    def _read(self, kind: str, column: str) -> str:
        if kind == "DateTime":
            return postgres_ms(column)
        if kind in ("Int", "Float", "Boolean", "String[]"):
            return column
        return f"CASE WHEN {column} IS NOT NULL THEN concat({column}) END"  # a cast may be a function of the app's


def _decoded(cell: object) -> object:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


_PLACES = """
    SELECT n.nspname, c.relname, c.relowner, pg_get_userbyid(c.relowner),
           pg_has_role(c.relowner, n.nspowner, 'MEMBER') OR pg_get_userbyid(c.relowner) = current_user,
           array_position(s.searched, n.nspname) IS NOT NULL
    FROM (SELECT CAST(current_setting('struggle.search_path') AS name[]) AS searched) AS s
         CROSS JOIN pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = ANY (CAST(? AS text[])) AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'f')
      AND has_schema_privilege(n.oid, 'USAGE')
      AND (array_position(s.searched, n.nspname) IS NOT NULL OR n.nspname = ANY (CAST(? AS text[])))
    ORDER BY array_position(s.searched, n.nspname)
"""
"""Tables by the order in which they are searched. Whoever made one has its triggers and rules run in our name."""


def _percent_style(sql: str) -> str:
    """`?` outside of quotes becomes psycopg2's %s, and a % everywhere %%."""
    marked, quote = "", ""
    for character in sql:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        marked += {"%": "%%", "?": "?" if quote else "%s"}.get(character, character)
    return marked
