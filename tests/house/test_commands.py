"""What all commands have in common: one table of exit codes, the same options, help, and errors in one line."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import click
import pytest
from click.testing import CliRunner, Result

import db.errors
import ml.errors
import scripts
from scripts.cli import exits
from scripts.cli.command import Command, Group
from scripts.cli.exits import EXIT_CODES, MEANINGS, ending
from scripts.cli.predict_options import ENDS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

COMMANDS = sorted(path.stem for path in Path(ROOT, "scripts").glob("*.py") if path.stem != "__init__")
NOT_OF_COMMANDS = {"serving", "deploy", "reference"}
"""Rooms whose errors are answers to HTTP requests, and programs that run by themselves."""
SHARED = ("--database-url", "--env-file", "--schema", "--models-dir", "--correct-from", "--quiet", "--struggle-below")
NUMBERS_OF_OTHER_KINDS = ("reference", "deploy", "benchmarks", "monitoring", "pages", "testbed")
"""Rooms where such numbers are lengths, times and sizes, and what lies beside predict.pyz alone."""
ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STRUGGLE_ENV_FILE")}
    return subprocess.run(
        [sys.executable, *argv], cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False
    )


def invoked(script: str, *argv: str) -> Result:
    return CliRunner().invoke(command_of(script), argv)


def command_of(name: str) -> click.Command:
    """The script's own command; those of a group stand beside it."""
    found = [each for each in vars(import_module(f"scripts.{name}")).values() if isinstance(each, Command)]
    groups = [each for each in found if isinstance(each, Group)]
    assert len(groups or found) == 1, f"scripts.{name} is not one command"
    return (groups or found)[0]


def every_command() -> list[tuple[str, click.Command]]:
    found = []
    for name in COMMANDS:
        command = command_of(name)
        found.append((name, command))
        if isinstance(command, Group):
            context = click.Context(command)
            subcommands = ((each, command.get_command(context, each)) for each in command.list_commands(context))
            found += [(f"{name} {each}", sub) for each, sub in subcommands if sub is not None]
    return found


def error_classes() -> set[type[Exception]]:
    """Every public class of an error that ml, db and the rooms of scripts define."""
    modules = [ml.errors, db.errors]
    for each in walk_packages(scripts.__path__, "scripts."):
        if each.name.count(".") > 1 and each.name.split(".")[1] not in NOT_OF_COMMANDS:
            modules.append(import_module(each.name))
    modules.append(import_module("scripts.serving.settings"))
    return {
        found
        for module in modules
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and found.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.mark.parametrize("kind", sorted(error_classes(), key=str), ids=lambda kind: kind.__name__)
def test_every_class_of_error_stands_in_the_table(kind: type[Exception]) -> None:
    bases = {ml.errors.PredictorError, db.errors.DatabaseError, exits.CommandFailed}
    if kind in bases:
        return
    row = next(row for row in EXIT_CODES if issubclass(kind, row[0]))
    assert row[0] is not BaseException, f"{kind.__name__} would end a command as a bug"


def test_no_row_of_the_table_hides_a_later_one() -> None:
    for place, (kind, code, _) in enumerate(EXIT_CODES):
        assert code in MEANINGS
        assert not any(issubclass(kind, earlier) for earlier, *_ in EXIT_CODES[:place])


def test_the_page_has_the_table() -> None:
    page = Path(ROOT, "scripts", "README.md").read_text(encoding="utf-8").partition("\n## Exit codes\n")[2]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page.partition("\n## ")[0], re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == MEANINGS


def test_predict_has_no_code_of_its_own() -> None:
    assert set(ENDS) <= {*MEANINGS, exits.TERMINATED}


def test_the_function_of_the_cloud_knows_the_same_codes() -> None:
    from scripts.deploy.serverless import STATUS_OF_EXIT
    from scripts.serving.problems import STATUS_OF

    status_of_name = {name: STATUS_OF[name][0] for _, _, name in EXIT_CODES if name in STATUS_OF}
    for kind, code, name in EXIT_CODES:
        if name in status_of_name and code in STATUS_OF_EXIT:
            assert STATUS_OF_EXIT[code] == status_of_name[name], kind


@pytest.mark.slow
def test_nobody_else_turns_a_failure_into_a_number() -> None:
    """No exit with a number of its own, and no code of the table spelled out."""
    codes = {exits.UNKNOWN, exits.UNAVAILABLE, exits.INPUT_OUTPUT, exits.UNDER_WAY, exits.CONFIGURATION, 130, 143}
    faults = []
    for path in [Path(ROOT, "predict.py"), *sorted(Path(ROOT, "scripts").rglob("*.py"))]:
        room = path.relative_to(ROOT).as_posix()
        if room == "scripts/cli/exits.py" or room.split("/")[1:2] in ([each] for each in NUMBERS_OF_OTHER_KINDS):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and type(node.value) is int and node.value in codes:
                faults.append(f"{room}:{node.lineno}: {node.value}")
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                called = ast.unparse(node.func)
                number = any(isinstance(each, ast.Constant) and each.value != 0 for each in node.args)
                if number and called in ("sys.exit", "SystemExit", "exit", "ctx.exit", "context.exit"):
                    faults.append(f"{room}:{node.lineno}: {ast.unparse(node)}")
    assert faults == []


def test_a_failure_has_the_code_of_its_class() -> None:
    class Stranger(exits.Misconfigured):
        pass

    assert ending(Stranger("")) == (78, "configuration")
    assert ending(KeyError("x")) == (70, "bug")


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_every_command_has_both_spellings_of_help(name: str) -> None:
    """As a process, tests/house/test_extras.py asks each."""
    script, *subcommand = name.split()
    short, long = (invoked(script, *subcommand, way) for way in ("-h", "--help"))
    assert (short.exit_code, short.stderr, short.stdout) == (0, "", long.stdout)
    assert not ESCAPES.search(short.stdout)
    assert "Exit codes:" in short.stdout or " " in name or isinstance(command_of(name), Group)


@pytest.mark.slow
def test_predict_has_both_spellings_of_help_and_two_arguments_are_ids() -> None:
    short, long = (run("predict.py", way) for way in ("-h", "--help"))
    assert (short.returncode, short.stderr, short.stdout) == (0, "", long.stdout)
    assert run("predict.py", "-h", "--help").returncode == 66


@pytest.mark.parametrize(("name", "command"), every_command(), ids=lambda each: each if isinstance(each, str) else "")
def test_every_option_says_what_it_is_for(name: str, command: click.Command) -> None:
    context = click.Context(command, help_option_names=["-h", "--help"])
    assert command.help
    for option in command.get_params(context):
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts[0]} has no help"
            assert re.match(r"[A-Z*$'a-z].*\.$", option.help, re.DOTALL), f"{name} {option.opts[0]}: {option.help}"


@pytest.mark.parametrize("shared", SHARED)
def test_a_shared_option_is_the_same_everywhere(shared: str) -> None:
    helps = {
        option.help
        for name, command in every_command()
        if not name.startswith("benchmark")
        for option in command.params
        if isinstance(option, click.Option) and shared in option.opts
    }
    assert len(helps) == 1, helps


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("predict_batch", ("--demo",)),
        ("record_outcomes", ("--demo",)),
        ("train_initial_model", ("--demo",)),
        ("retrain_model", ("--demo",)),
        ("monitor", ("--demo",)),
        ("evaluate_model", ("--demo", "--explain", "a", "b")),
    ],
)
@pytest.mark.parametrize("written", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00", ""])
def test_a_time_that_is_none_is_refused_as_usage(name: str, arguments: tuple[str, ...], written: str) -> None:
    option = () if "--explain" in arguments else ("--as-of",)
    done = invoked(name, *arguments, *option, written)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "write 2026-11-16 or 2026-11-16T03:00:00Z" in done.stderr


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *(
            (name, option.opts[0])
            for name, command in every_command()
            for option in command.params
            if isinstance(option.type, click.types.FloatParamType)
        ),
    ],
)
def test_what_is_not_a_number_is_refused_as_usage(name: str, option: str) -> None:
    script, *subcommand = name.split()
    done = invoked(script, *subcommand, option, "nan")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert f"'{option}'" in done.stderr


@pytest.mark.slow
def test_predict_refuses_such_a_time_in_the_same_words() -> None:
    done = run("predict.py", "--as-of", "yesterday", "a", "b")
    assert done.returncode == 2
    assert "write 2026-11-16 or 2026-11-16T03:00:00Z" in done.stderr
    assert '"code": "usage"' in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_is_one_line_without_escape_codes(name: str) -> None:
    done = invoked(name, "--no-such\n\x1b[31moption")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("Error: ")
    assert not ESCAPES.search(done.stderr)


@pytest.mark.slow
def test_nothing_but_sentences_is_written_outside_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log.tsv"
    log.write_text("user_id\titem_id\ttimestamp\tcorrect\tskill_id\na\tb\t1\t1\tc\n")
    url = f"file:{tmp_path / 'own.db'}"
    for argv in (
        ("scripts/import_history.py", str(log), "--database-url", url),
        ("scripts/predict_batch.py", "--demo", "--output", str(tmp_path / "o.jsonl")),
        ("scripts/record_outcomes.py", "--database-url", url),
        ("scripts/evaluate_model.py", "--demo", "--bootstrap", "0"),
    ):
        done = run(*argv)
        assert done.returncode == 0, done.stderr
        assert not ESCAPES.search(done.stdout + done.stderr)
        assert not re.search(r"\d%|it/s|\[#", done.stderr), done.stderr
    assert "1 learner " in run("scripts/import_history.py", str(log), "--database-url", url).stdout


@pytest.mark.parametrize("arguments", [("--pretty", "--doctor"), ("--features", "own.json")])
def test_predict_says_that_two_options_were_taken_for_ids(arguments: tuple[str, str]) -> None:
    done = run("predict.py", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (66, 1)
    assert done.stderr.endswith(" Two arguments are always the two ids.\n")
    assert "Two arguments" not in run("predict.py", "-x", "action-potentials").stderr


@pytest.mark.parametrize("name", ["models", "benchmark"])
def test_a_command_that_has_commands_asks_for_one(name: str) -> None:
    done = invoked(name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.fullmatch(r"Error: Missing command\. See \S+ --help\.\n", done.stderr)


@pytest.mark.parametrize("name", ["predict", "models", "benchmark", "build_zipapp", "create_database"])
def test_help_calls_a_command_by_its_file(name: str) -> None:
    path = "predict.py" if name == "predict" else f"scripts/{name}.py"
    assert run(path, "--help").stdout.startswith(f"Usage: {name}.py ")


@pytest.mark.parametrize("path", ["predict.py", "scripts/models.py", "scripts/monitor.py"])
def test_help_that_cannot_be_printed_is_exit_74(path: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "w") as full, open(writing, "w") as unread:
        for stdout, why in ((full, "No space left on device"), (unread, "nobody reads it")):
            argv = [sys.executable, path, "--help"]
            done = subprocess.run(argv, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
            assert (done.returncode, done.stderr.count("\n")) == (74, 1), done.stderr
            assert done.stderr.endswith(f": stdout cannot be written: {why}.\n")


@pytest.mark.parametrize(
    ("arguments", "streams", "code", "said"),
    [
        ("--help", ">&-", 74, "Error: stdout cannot be written: it is closed.\n"),
        ("list --no-such-option", ">&-", 74, "Error: stdout cannot be written: it is closed.\n"),
        ("--help", ">&- 2>&- <&-", 74, ""),
        ("--help", ">/dev/full 2>/dev/full", 74, ""),
        ("--no-such-option", "2>/dev/full", 2, ""),
        ("--no-such-option", "2>&-", 2, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_ends_a_command_as_the_table_says(
    arguments: str, streams: str, code: int, said: str
) -> None:
    words = ["sh", "-c", f"exec {sys.executable} scripts/models.py {arguments} {streams}"]
    # A stream that Python does not buffer fails while the command writes, and never at Python's end.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(words, cwd=ROOT, env=buffered, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_note_that_nobody_can_read_does_not_end_the_work() -> None:
    work = "import click; from scripts.cli.command import command, note\n"
    work += "command({})(lambda: (note('one'), note('two'), click.echo('done')) and None)()"
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-c", work]
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.slow
def test_a_full_disk_and_a_closed_pipe_are_exit_74() -> None:
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "scripts/create_database.py", "--sql", "sqlite"]
        done = subprocess.run(argv, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (74, "Error: stdout cannot be written: No space left on device.\n")
    closed = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} scripts/create_database.py --sql sqlite | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert closed.returncode in (0, 74)
    assert "Exception" not in closed.stderr


@pytest.mark.slow
def test_a_bug_is_one_line_without_what_it_quotes() -> None:
    broken = "import scripts.create_database as c; c.ddl = lambda sql: {}['a secret']; c.create_database()"
    done = run("-c", broken, "--sql", "sqlite")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (70, "", 1)
    assert done.stderr.startswith("Error: internal error (KeyError < ")
    assert "secret" not in done.stderr
