"""Which database and which model: named by an option, a variable or a file, and never silently the demo."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from db.connecting import DEMO
from db.demo import LEARNER
from ml.places import HOUSE
from tests.support.outputs import read_output
from tests.support.tracked import tracked
from tests.support.trained_models import save_model

OBJECTIVE = "action-potentials"
ON_PLATFORMS: Mapping[str, tuple[str, ...]] = {
    "cohort_report": ("--course", "somewhere"),
    "create_database": (),
    "evaluate_model": (),
    "export_history": ("--output", "-"),
    "export_learner": ("somebody",),
    "forget_learner": ("somebody",),
    "generate_reviews": (),
    "import_history": (os.path.join(HOUSE, "README.md"),),
    "import_structure": (os.path.join(HOUSE, "README.md"),),
    "monitor": (),
    "predict_batch": (),
    "record_outcomes": (),
    "retention": ("--older-than", "9"),
    "retrain_model": (),
    "synthetic_platform": (),
    "train_initial_model": (),
}
"""Every command that works on a platform and does not fall back to the demo, with the arguments that it needs."""
ASKED_FOR = ("forget_learner", "retrain_model", "train_initial_model")
"""Of these, the ones that read a .env file only where somebody names it."""
NOT_NAMED = "DATABASE_URL is not set, so the embedded demo database was read"


def run(script: str, *arguments: str, cwd: str | Path = "/", **environment: str) -> subprocess.CompletedProcess[str]:
    """predict.py or a script as a process of its own."""
    path = os.path.join(HOUSE, script) if script == "predict.py" else os.path.join(HOUSE, "scripts", f"{script}.py")
    return subprocess.run(
        [sys.executable, path, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def files_of(directory: str) -> dict[str, str]:
    """What lies in a directory: names and digests."""
    found = {}
    for folder, folders, files in os.walk(directory):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for name in files:
            path = os.path.join(folder, name)
            found[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("script", ON_PLATFORMS)
def test_a_command_for_which_nobody_named_a_database_is_refused(script: str) -> None:
    before = files_of(os.path.join(HOUSE, "models")) | files_of(os.path.join(HOUSE, "db"))
    empty = '""' if script == "record_outcomes" else " "
    ran = run(script, *ON_PLATFORMS[script], DATABASE_URL=empty)
    assert ran.returncode == 78, ran.stderr
    assert "set DATABASE_URL" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert files_of(os.path.join(HOUSE, "models")) | files_of(os.path.join(HOUSE, "db")) == before


def test_every_command_that_takes_a_database_is_in_the_list_above() -> None:
    taking = set()
    for name in os.listdir(os.path.join(HOUSE, "scripts")):
        text = Path(HOUSE, "scripts", name).read_text(encoding="utf-8") if name.endswith(".py") else ""
        if "\n@database_options(" in text:
            taking.add(name.removesuffix(".py"))
        assert 'envvar="DATABASE_URL"' not in text, f"{name}: the variable is read in one place"
    # explain_model opens a database only for --learner: tests/oversight/test_model_page.py asks it without one
    assert taking == {*ON_PLATFORMS, "example_usage", "explain_model"}


@pytest.mark.slow
@pytest.mark.parametrize("script", ["evaluate_model", "monitor", "predict_batch"])
def test_the_demo_is_there_for_who_asks(script: str) -> None:
    ran = run(script, "--demo", DATABASE_URL="file:/nonexistent/app.db", STRUGGLE_SCHEMA="/nonexistent/schema.prisma")
    assert ran.returncode in (0, 1), ran.stderr
    assert "DATABASE_URL" not in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments"),
    [("record_outcomes", ()), ("forget_learner", (LEARNER,)), ("predict_batch", ("--store",))],
)
def test_the_demo_is_not_written_to(script: str, arguments: tuple[str, ...]) -> None:
    before = Path(DEMO).read_bytes()
    ran = run(script, *arguments, "--demo")
    assert (ran.returncode, ran.stderr.count("\n")) == (78, 1)
    assert "not written to" in ran.stderr
    assert Path(DEMO).read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("script", ["train_initial_model", "retrain_model"])
def test_a_model_of_the_demo_is_made_only_in_a_directory_that_is_named(script: str, tmp_path: Path) -> None:
    ran = run(script, "--demo", STRUGGLE_MODELS_DIR=str(tmp_path))
    assert (ran.returncode, os.listdir(tmp_path)) == (2, [])
    assert "--models-dir" in ran.stderr


@pytest.mark.slow
def test_predict_py_keeps_the_demo_and_says_so() -> None:
    named = run("predict.py", LEARNER, OBJECTIVE, DATABASE_URL=f"file:{DEMO}")
    by_default = run("predict.py", LEARNER, OBJECTIVE, DATABASE_URL="''")
    asked_for = run("predict.py", "--demo", LEARNER, OBJECTIVE, DATABASE_URL="mysql://x")
    assert by_default.stdout == named.stdout == asked_for.stdout
    assert (named.stderr, asked_for.stderr) == ("", "")
    assert by_default.stderr == f"predict.py: {NOT_NAMED}\n"
    unknown = run("predict.py", "nobody", OBJECTIVE)
    assert read_output(unknown.stdout)["error"]["message"] == f"No learner has the id 'nobody'. {NOT_NAMED}."
    assert unknown.stderr.count("\n") == 1
    report = read_output(run("predict.py", "--doctor", "--strict", "--pretty").stdout)
    assert (report["database"]["chosen_by"], report["database"]["why"]) == ("default", NOT_NAMED)


@pytest.mark.slow
def test_the_example_keeps_the_demo_and_says_so_once() -> None:
    known, unknown = run("example_usage"), run("example_usage", "--user", "nobody")
    assert (known.returncode, known.stderr) == (0, f"{NOT_NAMED}.\n")
    assert (unknown.returncode, unknown.stderr) == (66, f"Error: No learner has the id 'nobody'. {NOT_NAMED}.\n")


def a_schema(directory: Path, url: str) -> Path:
    path = directory / "schema.prisma"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'datasource db {{\n  provider = "sqlite"\n  {url}\n}}\nmodel User {{\n  id String @id\n  @@map("users")\n}}\n'
    )
    return path


@pytest.mark.slow
def test_the_variable_that_the_schema_names_is_used(demo_copy: str, tmp_path: Path) -> None:
    schema = str(a_schema(tmp_path, 'url = env("POSTGRES_URL")'))
    elsewhere = {"DATABASE_URL": "file:/nonexistent/other.db"}
    report = read_output(run("predict.py", "--doctor", "--schema", schema, POSTGRES_URL=demo_copy, **elsewhere).stdout)
    assert (report["database"]["where"], report["database"]["chosen_by"]) == (demo_copy[5:], "POSTGRES_URL")
    assert report["schema"] == {"file": schema, "chosen_by": "--schema"}
    batch = run("predict_batch", "--quiet", POSTGRES_URL=demo_copy, STRUGGLE_SCHEMA=schema, **elsewhere)
    assert batch.returncode == 0, batch.stderr
    for script in ("monitor", "forget_learner"):
        refused = run(script, *ON_PLATFORMS[script], "--schema", schema)
        assert refused.returncode == 78
        assert "set POSTGRES_URL" in refused.stderr
        refused = run(script, *ON_PLATFORMS[script], "--schema", schema, DATABASE_URL=demo_copy)
        assert refused.returncode == 78
        assert "POSTGRES_URL, which is not set" in refused.stderr
    refused = run("predict.py", LEARNER, OBJECTIVE, STRUGGLE_SCHEMA=schema, DATABASE_URL=demo_copy)
    assert refused.returncode == 78
    assert "POSTGRES_URL, which is not set" in refused.stderr


@pytest.mark.slow
def test_a_url_that_stands_in_the_schema_is_used_where_no_variable_is_set(demo_copy: str, tmp_path: Path) -> None:
    schema = str(a_schema(tmp_path, f'url = "file:./{os.path.basename(demo_copy)}"'))
    ran = run("predict_batch", "--quiet", "--schema", schema)
    assert ran.returncode == 0, ran.stderr
    assert f"database {demo_copy[5:]}, from the schema" in ran.stderr


@pytest.mark.slow
def test_two_databases_and_none_in_the_option_are_refused(demo_copy: str, tmp_path: Path) -> None:
    assert run("monitor", "--demo", "--database-url", demo_copy).returncode == 2
    assert run("monitor", "--env-file", str(tmp_path), "--database-url", demo_copy).returncode == 2
    assert run("predict.py", "--demo", "--database-url", demo_copy, "--", "a", "b").returncode == 2
    for ran in (
        run("monitor", "--database-url", "", DATABASE_URL=demo_copy),
        run("forget_learner", LEARNER, "--database-url", '""', DATABASE_URL=demo_copy),
        run("predict.py", "--database-url=", "--", LEARNER, OBJECTIVE, DATABASE_URL=demo_copy),
    ):
        assert ran.returncode == 78
        assert "--database-url is empty" in ran.stderr


# .env files


def an_env_file(directory: Path, url: str, name: str = ".env") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(
        f'OTHER=1\nPGOPTIONS=-c statement_timeout=1\nexport DATABASE_URL="{url}" # as Prisma\'s users write it\n'
    )
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project directory: what lies above it is none of its own."""
    made = tmp_path / "project"
    (made / ".git").mkdir(parents=True)
    return made


@pytest.mark.slow
def test_commands_run_by_hand_read_the_projects_env_file(demo_copy: str, project: Path) -> None:
    path = an_env_file(project, demo_copy)
    (project / "below" / "further").mkdir(parents=True)
    for script, where in (("monitor", project), ("predict_batch", project / "below" / "further")):
        ran = run(script, *ON_PLATFORMS[script], cwd=where)
        assert ran.returncode in (0, 1), ran.stderr
        assert f"database {demo_copy[5:]}, from {path}\n" in ran.stderr
    example = run("example_usage", cwd=project)
    assert (example.returncode, example.stderr) == (0, f"database {demo_copy[5:]}, from {path}\n")


@pytest.mark.slow
def test_what_deletes_or_trains_and_predict_py_read_it_only_where_it_is_named(demo_copy: str, project: Path) -> None:
    path = an_env_file(project, demo_copy)
    for script in ASKED_FOR:
        assert run(script, *ON_PLATFORMS[script], cwd=project).returncode == 78
    assert run("predict_batch", "--store", cwd=project).returncode == 78
    unread = run("predict.py", LEARNER, OBJECTIVE, cwd=project)
    assert unread.stderr == f"predict.py: {NOT_NAMED}\n"
    said = f"database {demo_copy[5:]}, from {path}"
    for named in (
        run("predict.py", "--env-file", ".env", "--", LEARNER, OBJECTIVE, cwd=project),
        run("predict.py", LEARNER, OBJECTIVE, STRUGGLE_ENV_FILE=str(path)),
    ):
        assert (named.returncode, named.stderr) == (0, f"predict.py: {said}\n")
        assert named.stdout == unread.stdout
    for named in (
        run("forget_learner", "somebody", "--env-file", str(path)),
        run("forget_learner", "somebody", STRUGGLE_ENV_FILE=str(path)),
    ):
        assert named.returncode == 0, named.stderr
        assert said in named.stderr
    report = read_output(run("predict.py", "--doctor", "--env-file", str(path)).stdout)
    assert report["database"]["chosen_by"] == f"DATABASE_URL in {path}"


@pytest.mark.slow
def test_what_is_more_explicit_wins(demo_copy: str, project: Path) -> None:
    path = str(an_env_file(project, demo_copy))
    other = an_env_file(project, "file:/nonexistent/x.db", "other.env")
    assert f"from {path}" in run("monitor", "--env-file", path, DATABASE_URL="file:/nonexistent/x.db").stderr
    assert "from" not in run("monitor", DATABASE_URL=demo_copy, STRUGGLE_ENV_FILE=str(other), cwd=project).stderr
    assert run("monitor", "--database-url", demo_copy, STRUGGLE_ENV_FILE=str(other)).returncode in (0, 1)
    assert run("monitor", STRUGGLE_ENV_FILE=str(other), cwd=project).returncode == 69
    lacking = project / "lacking.env"
    lacking.write_text("OTHER=1\n")
    for ran in (
        run("monitor", "--env-file", str(lacking), DATABASE_URL=demo_copy),
        run("predict.py", LEARNER, OBJECTIVE, STRUGGLE_ENV_FILE=str(lacking)),
        run("predict.py", LEARNER, OBJECTIVE, STRUGGLE_ENV_FILE=str(project / "absent.env")),
    ):
        assert ran.returncode == 78
        assert ".env" in ran.stderr


@pytest.mark.slow
def test_beside_the_schema_comes_first_and_relative_paths_start_there(demo_copy: str, project: Path) -> None:
    os.link(demo_copy[5:], project / "dev.db")
    schema = a_schema(project / "prisma", 'url = env("POSTGRES_URL")')
    (project / "prisma" / ".env").write_text("POSTGRES_URL=file:../dev.db\nDATABASE_URL=file:/nonexistent/x.db\n")
    an_env_file(project, "file:/nonexistent/y.db")
    ran = run("monitor", "--schema", str(schema), cwd=project)
    assert ran.returncode in (0, 1), ran.stderr
    assert f"database {project}/dev.db, from {project}/prisma/.env\n" in ran.stderr
    (project / ".env").write_text("DATABASE_URL='file:dev.db'\n")
    (project / "below").mkdir()
    assert f"database {project}/dev.db, from {project}/.env\n" in run("monitor", cwd=project / "below").stderr


@pytest.mark.slow
def test_never_above_the_first_git_and_without_one_only_here(demo_copy: str, tmp_path: Path, project: Path) -> None:
    an_env_file(tmp_path, demo_copy)
    (project / "below").mkdir()
    assert run("monitor", cwd=project / "below").returncode == 78
    (tmp_path / "loose" / "below").mkdir(parents=True)
    an_env_file(tmp_path / "loose", demo_copy)
    assert run("monitor", cwd=tmp_path / "loose" / "below").returncode == 78
    assert run("monitor", cwd=tmp_path / "loose").returncode in (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another user's", "linked by another user", "pipe", "directory", "huge", "binary"])
def test_a_file_that_must_not_be_read_is_passed_over_with_a_sentence(kind: str, demo_copy: str, project: Path) -> None:
    path = project / ".env"
    may_give_away = os.geteuid() == 0
    if "user" in kind and not may_give_away:
        path.symlink_to("/etc/passwd")
    elif kind == "another user's":
        os.chown(an_env_file(project, demo_copy), 65534, 65534)
    elif kind == "linked by another user":
        path.symlink_to(an_env_file(project / "elsewhere", demo_copy))
        os.chown(path, 65534, 65534, follow_symlinks=False)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "huge":
        path.write_text(f"DATABASE_URL={demo_copy}\n" + "#" * (1 << 16))
    else:
        path.write_bytes(f"DATABASE_URL={demo_copy}\n".encode("utf-16"))
    found = run("monitor", cwd=project)
    assert (found.returncode, found.stderr.count("\n")) == (78, 2)
    assert str(path) in found.stderr
    named = run("monitor", "--env-file", str(path))
    # Whoever names a file has looked at whose it is.
    assert named.returncode in ((0, 1) if "user" in kind and may_give_away else (78,)), named.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("DATABASE_URL=file:/a.db", "file:/a.db"),
        ("\ufeffDATABASE_URL=file:/a.db\r\nX=1\r\n", "file:/a.db"),
        ("  export DATABASE_URL = 'file:/a#b.db' # why", "file:/a#b.db"),
        ("DATABASE_URL=file:/a.db # why", "file:/a.db"),
        ("DATABASE_URL: file:/a.db", "file:/a.db"),
        ("#DATABASE_URL=file:/no.db\nDATABASE_URL=file:/a.db\nDATABASE_URL=`file:/b.db`", "file:/b.db"),
        ('DB_NAME=a\nPLACE=/${DB_NAME}.db\nDATABASE_URL="file:${PLACE}"', "file:/a.db"),
        ("DATABASE_URL=file:/\\${DB_NAME}$DB_NAME.db", "file:/${DB_NAME}$DB_NAME.db"),
        ("FROM_HERE=no\nDATABASE_URL=file:/${FROM_HERE}", "file:/the environment"),
        ("DATABASE_URL=", None),
        ("DATABASE_URL=\nX=file:/a.db", None),
        ("DATABASE_URL=${ABSENT}", None),
        ("DATABASE_URL=${A}\nA=${DATABASE_URL}", None),
        ("XDATABASE_URL=file:/a.db", None),
        ("DATABASE_URL=" + "${A}" * 9 + "\nA=" + "${B}" * 9 + "\nB=" + "${C}" * 9 + "\nC=" + "x" * 900, None),
    ],
)
def test_the_format_is_the_one_that_prisma_reads(
    text: str, value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from db import env_file
    from db.errors import DatabaseConfiguration

    monkeypatch.setenv("FROM_HERE", "the environment")
    path = tmp_path / "some.env"
    path.write_text(text, newline="")
    if value is None:
        with pytest.raises(DatabaseConfiguration, match=r"some\.env"):
            env_file.read(str(path), "DATABASE_URL")
    else:
        assert env_file.read(str(path), "DATABASE_URL") == value


@pytest.mark.slow
def test_a_password_in_an_argument_brings_one_warning(tmp_path: Path) -> None:
    url = "postgresql://u:s3cr3t@127.0.0.1:1/app"
    for ran in (
        run("monitor", "--database-url", url),
        run("predict_batch", "--quiet", "--database-url", "postgresql://u@127.0.0.1:1/app?password=s3cr3t"),
        run("predict.py", "--database-url", url, "--strict", "--", LEARNER, OBJECTIVE),
        run("predict.py", "--database-url", url, "--", LEARNER, OBJECTIVE),
    ):
        assert ran.stderr.count("ps shows it") == 1, ran.stderr
        assert "s3cr3t" not in ran.stdout + ran.stderr
    assert "ps shows it" not in run("monitor", DATABASE_URL=url).stderr
    assert "ps shows it" not in run("monitor", "--database-url", "postgresql://u@127.0.0.1:1/app").stderr


# Models


@pytest.mark.slow
def test_the_deployments_models_answer_the_command_and_every_script(demo_copy: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    first_day = run("predict.py", LEARNER, OBJECTIVE)
    deployed = {"STRUGGLE_MODELS_DIR": str(models), "DATABASE_URL": demo_copy}
    assert run("predict.py", LEARNER, OBJECTIVE, **deployed).stdout == first_day.stdout, "the shipped model until then"
    why = read_output(run("predict.py", "--doctor", **deployed).stdout)["model"]
    assert why["why"] == f"there is no {models}/current.pkl, so pretrained.pkl answers"
    trained = run("train_initial_model", "--difficulty-only", "--json", **deployed)
    assert trained.returncode == 0, trained.stderr
    version = os.path.basename(json.loads(trained.stdout)["model"]).removesuffix(".pkl")
    assert json.loads(run("models", "--json", "list", **deployed).stdout)["current"] == version
    assert read_output(run("predict.py", LEARNER, OBJECTIVE, **deployed).stdout)["model_version"] == version
    report = read_output(run("predict.py", "--doctor", **deployed).stdout)["model"]
    assert (report["version"], report["chosen_by"], report["directory"]) == (
        version,
        "STRUGGLE_MODELS_DIR",
        str(models),
    )
    assert "why" not in report
    batch = run("predict_batch", "--quiet", "--jobs", "2", **deployed)
    assert {read_output(line)["model_version"] for line in batch.stdout.splitlines()} == {version}, batch.stderr
    assert version in run("evaluate_model", "--jobs", "1", "--bootstrap", "0", **deployed).stdout
    assert version in run("example_usage", **deployed).stdout
    page = tmp_path / "model.html"
    assert run("explain_model", "--out", str(page), **deployed).returncode == 0
    assert version in page.read_text()


@pytest.mark.slow
def test_an_option_comes_before_a_variable_and_a_variable_before_the_default(tmp_path: Path) -> None:
    model = save_model(str(tmp_path))
    named = read_output(run("predict.py", "--doctor", STRUGGLE_MODEL=model).stdout)["model"]
    assert (named["file"], named["chosen_by"]) == (model, "STRUGGLE_MODEL")
    given = read_output(run("predict.py", "--doctor", "--model", "rules", STRUGGLE_MODEL=model).stdout)["model"]
    assert (given["source"], given["chosen_by"]) == ("rules", "--model")
    empty = {"STRUGGLE_MODEL": "", "STRUGGLE_MODELS_DIR": " ", "STRUGGLE_SCHEMA": "", "STRUGGLE_ENV_FILE": ""}
    blank, usual = (run("predict.py", LEARNER, OBJECTIVE, **each) for each in (empty, {}))
    assert (blank.returncode, blank.stdout, blank.stderr) == (0, usual.stdout, usual.stderr)
    here = run("models", "--models-dir", ".", "list", cwd=tmp_path, STRUGGLE_MODELS_DIR="/nonexistent")
    assert here.returncode == 0, here.stderr
    assert run("models", "--models-dir", "", "list", cwd=tmp_path).returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "said"),
    [("STRUGGLE_MODELS_DIR", "names no directory: /nonexistent"), ("STRUGGLE_MODEL", "/nonexistent")],
)
def test_a_variable_that_names_nothing_is_refused(variable: str, said: str) -> None:
    ran = run("predict.py", LEARNER, OBJECTIVE, **{variable: "/nonexistent"})
    assert ran.returncode == 78
    assert said in ran.stderr
    assert read_output(run("predict.py", "--doctor", **{variable: "/nonexistent"}).stdout)["ok"] is False


def test_the_service_takes_its_database_from_the_same_places(
    demo_copy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scripts.serving.settings import SettingRefused, from_environment

    schema = str(a_schema(tmp_path, 'url = env("POSTGRES_URL")'))
    (tmp_path / "service.env").write_text(f"DATABASE_URL=file:/nonexistent/x.db\nPOSTGRES_URL={demo_copy}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRUGGLE_SCHEMA", schema)
    with pytest.raises(SettingRefused, match="POSTGRES_URL is not set"):
        from_environment(os.environ)
    monkeypatch.setenv("STRUGGLE_ENV_FILE", str(tmp_path / "service.env"))
    assert from_environment(os.environ).sqlite_path == demo_copy[5:]
    monkeypatch.setenv("STRUGGLE_ENV_FILE", str(tmp_path / "absent.env"))
    with pytest.raises(SettingRefused, match=r"absent\.env"):
        from_environment(os.environ)


# Pages

PAGES = tracked("*.md", ".github/*.yml", *(f"scripts/*{end}" for end in (".yml", ".sh", ".py", ".json", "Dockerfile*")))


@pytest.mark.parametrize("page", PAGES)
def test_no_page_writes_a_url_with_a_password_on_a_command_line(page: str) -> None:
    """Neither as an argument, nor in front of a command, where cron's and Docker's shells have it as an argument."""
    for line in Path(HOUSE, page).read_text(encoding="utf-8").splitlines():
        after = line.partition("--database-url")[2]
        assert not re.match(r"[ =][\"']?(\$|postgres|URL\b)", after), line
        assert not re.search(r"(?<!export )DATABASE_URL=[^\s`]*(postgres|\.\.\.)[^\s`]* +[\w./-]", line), line
