"""Row-level security: a table whose rows a policy hides is a missing one, and never an empty history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import db
from db import errors
from tests.support.outputs import read_output
from tests.support.postgres_server import Databases, connected, with_demo
from tests.support.running_predict import LEARNER, OBJECTIVE, ran
from tests.support.study_database import NOW_MS, WIDE

ROLE = "shielded"
VISIBLE = {
    "true": "CREATE POLICY p ON {} USING (true)",
    "true for the role alone": f"CREATE POLICY p ON {{}} FOR SELECT TO {ROLE} USING (true)",
    "true beside another": "CREATE POLICY p ON {0} USING (true); CREATE POLICY o ON {0} USING (current_user = 'x')",
    "a condition that holds": f"CREATE POLICY p ON {{}} USING (current_user = '{ROLE}')",
    "bypass": f"ALTER ROLE {ROLE} BYPASSRLS",
    "owner": f"ALTER TABLE {{}} OWNER TO {ROLE}",
    "off": "ALTER TABLE {} DISABLE ROW LEVEL SECURITY",
}
HIDDEN = {
    "no policy": "SELECT 1",
    "false": "CREATE POLICY p ON {} USING (false)",
    "of another role": "CREATE POLICY p ON {} TO postgres USING (true)",
    "of another command": "CREATE POLICY p ON {} FOR INSERT WITH CHECK (true)",
    "restricted": "CREATE POLICY p ON {0} USING (true); CREATE POLICY r ON {0} AS RESTRICTIVE USING (false)",
    "a condition that fails": "CREATE POLICY p ON {} USING (current_setting('app.user', true) = 'ada')",
    "forced on the owner": f"ALTER TABLE {{0}} OWNER TO {ROLE}; ALTER TABLE {{0}} FORCE ROW LEVEL SECURITY",
}


@pytest.fixture(scope="module")
def app(postgres_databases: Databases) -> Iterator[str]:
    url = with_demo(postgres_databases.empty())
    with connected(url) as cursor:
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}")
        yield url
        cursor.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.fixture
def shielded(app: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL for the role, with row-level security on a table, as the parameter (table, statements) says."""
    table, statements = request.param
    with connected(app) as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; {statements.format(table)}")
        yield app.replace("postgres@", f"{ROLE}@")
        cursor.execute(
            "".join(f"DROP POLICY IF EXISTS {name} ON {table};" for name in "por")
            + f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;"
            f"ALTER TABLE {table} OWNER TO postgres; GRANT SELECT ON {table} TO {ROLE}; ALTER ROLE {ROLE} NOBYPASSRLS"
        )


def on(table: str, kinds: dict[str, str]) -> pytest.MarkDecorator:
    given = [(table, statements) for statements in kinds.values()]
    return pytest.mark.parametrize("shielded", given, indirect=True, ids=list(kinds))


@pytest.mark.slow
@on("reviews", VISIBLE)
def test_what_is_shown_is_read(shielded: str) -> None:
    with db.connect(shielded) as client:
        found = client.read(LEARNER, OBJECTIVE, None, WIDE)
        assert len(found.learner.reviews) > 100
        assert found.missing_sources == client.missing_sources() == ()


@pytest.mark.slow
@on("reviews", HIDDEN)
def test_a_hidden_table_is_missing(shielded: str) -> None:
    with db.connect(shielded) as client:
        found = client.read(LEARNER, OBJECTIVE, None, WIDE)
        assert found.learner.reviews == []
        assert found.missing_sources == client.missing_sources() == ("reviews",)
        assert client.row_security()


@pytest.mark.slow
@on("reviews", {"no policy": HIDDEN["no policy"], "a condition that fails": HIDDEN["a condition that fails"]})
def test_the_answer_and_the_doctor_say_so(shielded: str) -> None:
    assert ran(url=shielded).answer()["missing_sources"] == ["reviews"]
    report = read_output(ran("--doctor", url=shielded).stdout)["database"]
    assert report["missing_sources"] == ["reviews"]
    assert ["reviews"] in report["row_security"].values()


@pytest.mark.slow
@on("lectures", HIDDEN)
def test_a_hidden_table_that_is_only_joined_is_missing_too(shielded: str) -> None:
    with db.connect(shielded) as client:
        assert "lectures" in client.read(LEARNER, OBJECTIVE, None, WIDE).missing_sources


@pytest.mark.slow
@pytest.mark.parametrize("table", ["users", "learning_objectives"])
@pytest.mark.parametrize("kind", ["no policy", "a condition that fails"])
def test_a_required_table_that_is_hidden_is_a_configuration_error(app: str, table: str, kind: str) -> None:
    with connected(app) as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; {HIDDEN[kind].format(table)}")
        try:
            url = app.replace("postgres@", f"{ROLE}@")
            message = ran(url=url).error(78, "configuration")
            assert "Row-level security" in message
            assert table in message
            assert ran("--doctor", url=url).code == 78
            with db.connect(url) as client:
                ask = client.learner_ids if table == "users" else client.missing_sources
                with pytest.raises(errors.DatabaseConfiguration, match="Row-level security"):
                    ask()
        finally:
            cursor.execute(f"DROP POLICY IF EXISTS p ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


@pytest.mark.slow
@on("users", {"some": f"CREATE POLICY p ON {{}} USING (\"id\" = '{LEARNER}')"})
def test_where_some_learners_are_shown_another_is_an_unknown_one(shielded: str) -> None:
    ran(url=shielded).is_whole()
    ran("nobody", OBJECTIVE, url=shielded).error(66, "unknown_learner")
    with db.connect(shielded) as client:
        assert client.learner_ids() == [LEARNER]
        assert [each.learner.id for each in client.stream_learners(NOW_MS, WIDE, [LEARNER, "nobody"])] == [LEARNER]


@pytest.mark.slow
@on("missions", VISIBLE)
def test_a_role_that_sees_all_is_told_of_nothing(shielded: str) -> None:
    assert read_output(ran("--doctor", url=shielded).stdout)["database"]["missing_sources"] == []
