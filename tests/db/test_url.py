"""db.url: every form of DATABASE_URL that Prisma and SQLAlchemy write, and no secret in anything printed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2.extensions
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from db import libpq
from db.errors import UnsupportedURL
from db.url import DatabaseURL, parse


def keywords(url: str, **directories: str) -> dict[str, Any]:
    return parse(url, **{"relative_to": "/here", **directories}).keywords


def parsed_or_refused(text: str) -> tuple[DatabaseURL | None, str]:
    try:
        return parse(text, "/here"), ""
    except UnsupportedURL as refusal:
        return None, str(refusal)


def test_a_prisma_url_becomes_libpq_keywords_and_a_schema() -> None:
    url = parse(
        "postgresql://ann:p%40ss%2Fw%3Frd@db.example:6543/study?schema=app&connection_limit=5&pgbouncer=true"
        "&sslmode=require&connect_timeout=7&pool_timeout=2&statement_cache_size=0&application_name=next+js",
        "/here",
    )
    assert (url.kind, url.path, url.schema) == ("postgresql", None, "app")
    assert url.label == "db.example:6543/study"
    assert url.keywords == {
        "host": "db.example",
        "port": "6543",
        "dbname": "study",
        "user": "ann",
        "password": "p@ss/w?rd",
        "sslmode": "require",
        "connect_timeout": "7",
        "application_name": "next js",
    }


@pytest.mark.parametrize(
    ("url", "expected", "label"),
    [
        ("postgres://h/d", {"host": "h", "port": "5432", "dbname": "d"}, "h:5432/d"),
        ("POSTGRESQL+asyncpg://h/d", {"host": "h", "port": "5432", "dbname": "d"}, "h:5432/d"),
        (
            "postgresql+psycopg2://u@h",
            {"host": "h", "port": "5432", "dbname": "postgres", "user": "u"},
            "h:5432/postgres",
        ),
        ("postgresql://[::1]:77/d", {"host": "::1", "port": "77", "dbname": "d"}, "[::1]:77/d"),
        (
            "postgresql://u@[fe80::1]/d",
            {"host": "fe80::1", "port": "5432", "dbname": "d", "user": "u"},
            "[fe80::1]:5432/d",
        ),
        ("postgresql:///d?host=/var/run", {"host": "/var/run", "port": "5432", "dbname": "d"}, "/var/run:5432/d"),
        (
            "postgresql://u@localhost/d?host=/tmp",
            {"host": "/tmp", "port": "5432", "dbname": "d", "user": "u"},
            "/tmp:5432/d",
        ),
        ("postgresql://%2Fvar%2Frun/d", {"host": "/var/run", "port": "5432", "dbname": "d"}, "/var/run:5432/d"),
        ("postgresql://a:1,b:2/d", {"host": "a,b", "port": "1,2", "dbname": "d"}, "a,b:1,2/d"),
        ("postgresql://a,b/d", {"host": "a,b", "port": "5432", "dbname": "d"}, "a,b:5432/d"),
        ("postgresql://h/d/?schema=s", {"host": "h", "port": "5432", "dbname": "d"}, "h:5432/d"),
        ("postgresql:///d", {"port": "5432", "dbname": "d"}, "default host:5432/d"),
        ('"postgresql://h/d"\n', {"host": "h", "port": "5432", "dbname": "d"}, "h:5432/d"),
        (
            "postgresql://h/%C3%BCbung%20eins",
            {"host": "h", "port": "5432", "dbname": "übung eins"},
            "h:5432/übung eins",
        ),
    ],
)
def test_hosts_sockets_and_defaults(url: str, expected: dict[str, str], label: str) -> None:
    parsed = parse(url, "/here")
    assert parsed.keywords == expected
    assert parsed.label == label


@pytest.mark.parametrize(
    ("password", "written"),
    [("a@b", "a@b"), ("p#q", "p#q"), ("100%", "100%"), ("50%zz", "50%zz"), ("a:b", "a:b"), ("p q", "p%20q"), ("", "")],
)
def test_passwords_with_odd_characters_arrive_whole(password: str, written: str) -> None:
    assert keywords(f"postgresql://u:{written}@h/d").get("password", "") == password


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2/3@h:5432/d",
        "postgresql://ann:12/hunter2@h:5432/d",
        "postgresql://ann:a@b/hunter2@h:5432/d",
        "postgresql://ann:12?hunter2@h:5432/d",
        "postgresql://ann:12?hunter2=x@h:5432/d",
    ],
)
def test_an_unencoded_password_is_refused_not_taken_for_a_host_or_database(url: str) -> None:
    with pytest.raises(UnsupportedURL, match="%40") as refusal:
        parse(url, "/here")
    assert "hunter2" not in str(refusal.value)


NONE = "/dev/null/none"
"""Stands for a certificate file that libpq shall not look for."""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sslmode=verify-full&sslrootcert=ca.pem", {"sslmode": "verify-full", "sslrootcert": "/app/ca.pem"}),
        ("sslcert=ca.pem", {"sslrootcert": "/app/ca.pem"}),
        ("sslcert=/c.pem&sslkey=k.pem", {"sslcert": "/c.pem", "sslkey": "/app/k.pem"}),
        ("sslmode=require&sslaccept=strict", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("sslaccept=strict&sslcert=ca.pem", {"sslmode": "verify-full", "sslrootcert": "/app/ca.pem"}),
        ("sslmode=disable&sslaccept=strict", {"sslmode": "disable"}),
        ("sslmode=require&sslaccept=accept_invalid_certs&sslcert=ca.pem", {"sslmode": "require", "sslrootcert": NONE}),
        ("sslmode=no-verify", {"sslmode": "require", "sslrootcert": NONE}),
        ("ssl=no-verify&sslrootcert=ca.pem", {"sslmode": "require", "sslrootcert": NONE}),
        ("ssl=no-verify&sslmode=verify-full&sslrootcert=system", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("sslmode=require&uselibpqcompat=true", {"sslmode": "require"}),
        ("sslmode=no-verify&sslaccept=strict", {"sslmode": "verify-full", "sslrootcert": "system"}),
        (
            "target_session_attrs=any&load_balance_hosts=random",
            {"target_session_attrs": "any", "load_balance_hosts": "random"},
        ),
        ("application_name=cron@app&user=ann@corp", {"application_name": "cron@app", "user": "ann@corp"}),
        ("password=p@s/s?&unheard=a@b&schema=a@b/c", {"password": "p@s/s?"}),
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=verify-full", {"sslmode": "verify-full"}),
        ("options=-c%20statement_timeout%3D5s", {"options": "-c statement_timeout=5s"}),
        ("unheard=of&=&&x", {}),
        ("schema=", {}),
    ],
)
def test_the_words_of_prisma_become_the_words_of_libpq(
    query: str, expected: dict[str, object] | dict[str, str]
) -> None:
    found = keywords(f"postgresql://h/d?{query}", schema_directory="/app")
    assert {word: found[word] for word in found.keys() - {"host", "port", "dbname"}} == expected


def test_a_file_whose_name_holds_such_a_pair_is_opened_as_it_is_written(tmp_path: Path) -> None:
    """As Prisma's own engine does; decoded, as libSQL does, where there is no such file."""
    written = f"file:{tmp_path}/a%20b#c.db"
    assert parse(written, "/here").path == f"{tmp_path}/a b"
    (tmp_path / "a%20b#c.db").touch()
    assert parse(written, "/here").path == f"{tmp_path}/a%20b#c.db"


def test_pgsslmode_may_be_node_postgress_no_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "no-verify")
    assert keywords("postgresql://h/d")["sslmode"] == "require"
    assert keywords("postgresql://h/d?sslmode=verify-full")["sslmode"] == "verify-full"


def test_psycopg2_knows_every_word_that_is_kept() -> None:
    for word in libpq.WORDS:
        psycopg2.extensions.make_dsn(**{word: "1"})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:./dev.db", "/app/prisma/dev.db"),
        ("file:dev.db?connection_limit=1&socket_timeout=3", "/app/prisma/dev.db"),
        ("file:../dev.db", "/app/dev.db"),
        ("file:/data/a b.db", "/data/a b.db"),
        ("file:///data/x.db", "/data/x.db"),
        ("file:50%25.db", "/app/prisma/50%.db"),
        ("file:/data/My%20App/dev.db?mode=ro", "/data/My App/dev.db"),
        ("file://localhost/data/a%2Bb+c.db#part", "/data/a+b+c.db"),
        ("file:/data/100%.db", "/data/100%.db"),
        ("sqlite:///dev.db", "/here/dev.db"),
        ("sqlite:////data/dev.db", "/data/dev.db"),
        ("sqlite+aiosqlite:///dev.db?timeout=3", "/here/dev.db"),
        ("sqlite+pysqlite:////data/\U0001f469‍\U0001f52c.db", "/data/\U0001f469‍\U0001f52c.db"),
    ],
)
def test_sqlite_files_start_where_their_author_meant(url: str, path: str) -> None:
    found = parse(url, "/here", "/app/prisma")
    assert (found.kind, os.path.normpath(found.path), found.label) == ("sqlite", path, found.path)
    assert found.keywords == {}


def test_a_file_url_starts_at_the_given_directory_without_a_schema(tmp_path: Path) -> None:
    assert parse("file:./dev.db", str(tmp_path)).path == str(tmp_path / "dev.db")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("mysql://root:hunter2@h/d", "MySQL"),
        ("mongodb+srv://u:hunter2@h/d", "MongoDB"),
        ("mariadb://u:hunter2@h/d", "MariaDB"),
        ("sqlserver://h;password=hunter2", "SQL Server"),
        ("prisma://accelerate.example/?api_key=hunter2", "proxy"),
        ("prisma+postgres://localhost/?api_key=hunter2", "proxy"),
        ("hunter2", "must start with"),
        ("hunter2://x", "must start with"),
        ("jdbc:postgresql://h/hunter2", "must start with"),
        ("sqlite://", "sqlite:///"),
        ("sqlite:dev.db", "sqlite:///"),
        ("sqlite:///", "no file"),
        ("sqlite:///:memory:", "no file"),
        ("file:", "no file"),
        ("file:?x=1", "no file"),
        ("file:a\0b", "control"),
        ("file:/data/%FF.db", "UTF-8"),
        ("postgresql://u:hunter2\0@h/d", "control"),
        ("postgresql://u:hunter2%00@h/d", "UTF-8"),
        ("postgresql://u:hunter2%FF@h/d", "UTF-8"),
        ("postgresql://h/a%0Ab", "control"),
        ("postgresql://u:hunter2\udcff@h/d", "control"),
        ("postgresql:h/d", "postgresql://user"),
        ("postgresql://u:hunter2@h:port/d", "port"),
        ("postgresql://h:0/d", "port"),
        ("postgresql://h:65536/d", "port"),
        ("postgresql://h:٣/d", "port"),
        ("postgresql://[::1/d", "IPv6"),
        ("postgresql://[::1]x/d", "IPv6"),
        ("postgresql://a:1,b:2/d?host=c", "one for each"),
        ("postgresql://h/d?sslmode=hunter2", "sslmode"),
        ("postgresql://h/d?connect_timeout=hunter2", "connect_timeout"),
        ("postgresql://h/d?sslidentity=c.p12&sslpassword=hunter2", "PKCS#12"),
        ("postgresql://u:" + "hunter2" * 1500 + "@h/d", "8192"),
        ("file:" + "a" * 10_000, "8192"),
    ],
)
def test_a_url_that_cannot_work_is_refused_in_a_sentence_without_secrets(url: str, reason: str) -> None:
    with pytest.raises(UnsupportedURL) as refusal:
        parse(url, "/here")
    message = str(refusal.value)
    assert reason in message
    assert "hunter2" not in message
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 300


def test_neither_repr_nor_label_shows_the_password() -> None:
    url = parse("postgresql://u:hunter2@h/d?password=hunter2&sslpassword=hunter2", "/here")
    assert "hunter2" not in repr(url) + url.label + str(url)


URL_WORDS = (
    "postgresql:// postgres:// sqlite:/// file: mysql:// +asyncpg @ : / ? & = [ ] ::1 , % %2F %00 %zz %F0%9F é 💥"
)
QUERY_WORDS = "schema=a host=/x port=1 sslmode=require sslcert=x ssl=1 password=a user db 5432"
URL_PIECES = st.sampled_from([*f"{URL_WORDS} {QUERY_WORDS}".split(), "\0", "\udcff", "\n", " "])


@pytest.mark.slow
@given(st.one_of(st.text(), st.lists(URL_PIECES, max_size=25).map("".join)))
@example("postgresql://" + "%" * 4000)
@example("postgresql://" + "," * 8000 + "/")
def test_only_an_unsupported_url_is_ever_raised(text: str) -> None:
    url, message = parsed_or_refused(text)
    assert message.isprintable()
    if url:
        assert url.kind in ("sqlite", "postgresql")
        assert "\n" not in url.label
        assert all(isinstance(value, str) and "\0" not in value for value in url.keywords.values())


SECRET = "s3cr3t"


@pytest.mark.slow
@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.booleans(),
    st.sampled_from(
        ["postgresql://u:{}@h:1/d", "postgres://u:{}@[::1]/d", "postgresql://u:{}@h:x/d", "mysql://u:{}@h/d"]
    ),
    st.sampled_from(["", "?sslmode=bad", "?schema=a&connect_timeout=x", "?host=/tmp"]),
)
def test_a_password_reaches_the_keywords_and_no_message(around: str, encoded: bool, form: str, query: str) -> None:
    password = around + SECRET + around
    written = quote(password, safe="") if encoded else password
    assume(form.format(written).isprintable())
    url, message = parsed_or_refused(form.format(written) + query)
    assert SECRET not in message
    if url:
        assert SECRET not in url.label + repr(url)
        assert not encoded or url.keywords["password"] == password


def test_a_url_is_parsed_without_importing_a_parser() -> None:
    program = (
        "import __future__, sys, os.path, db.errors; before = set(sys.modules); import db.url;"
        "db.url.parse('file:x.db', '/'); print(*sorted(set(sys.modules) - before));"
        "db.url.parse('postgresql://u:p@h/d?schema=a', '/'); print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["db.url", "db.libpq db.url"]
