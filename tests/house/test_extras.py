"""After the README's first command every script answers --help, and a missing extra is named in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ml.places import HOUSE
from scripts.benchmark import COMMANDS

SCRIPTS = sorted(
    path.stem for path in Path(HOUSE, "scripts").glob("*.py") if '\nif __name__ == "__main__":' in path.read_text()
)
NEEDING = {
    "cohort_report": ("train", ("--demo", "--course", "physiology")),
    "evaluate_model": ("train", ("--demo",)),
    "explain_model": ("train", ("--out", os.devnull)),
    "monitor": ("train", ("--demo",)),
    "predict_batch": ("train", ("--demo",)),
    "retrain_model": ("train", ("--demo", "--models-dir", "/nonexistent")),
    "service": ("service", ("--demo", "--port", "0")),
    "train_initial_model": ("train", ("--demo", "--models-dir", "/nonexistent")),
}
"""Script -> the extra that it cannot do without, and the arguments of a call."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with what `pip install .` brings: click, psycopg2, and nothing more."""
    made = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    installed = Path(click.__file__).parent.parent
    (packages,) = made.glob("lib/python3*/site-packages")
    for name in ("click", "psycopg2", "psycopg2_binary.libs"):
        if (installed / name).exists():
            (packages / name).symlink_to(installed / name)
    return str(made / "bin" / "python")


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [python, *arguments], cwd=HOUSE, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_the_environment_is_as_plain_as_it_says(plain: str) -> None:
    for package in ("numpy", "tqdm", "fastapi", "pyarrow", "joblib"):
        assert "ModuleNotFoundError" in run(plain, "-c", f"import {package}").stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_answers_help(plain: str, script: str) -> None:
    for way in ((os.path.join("scripts", f"{script}.py"),), ("-m", f"scripts.{script}")):
        ran = run(plain, *way, "--help")
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        assert ran.stdout.startswith("Usage: ")


@pytest.mark.slow
def test_every_benchmark_answers_help(plain: str) -> None:
    for name in COMMANDS:
        ran = run(plain, "-m", "scripts.benchmark", name, "--help")
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", NEEDING)
def test_a_script_without_its_extra_ends_with_one_sentence_that_names_it(plain: str, script: str) -> None:
    extra, arguments = NEEDING[script]
    for way in ((os.path.join("scripts", f"{script}.py"),), ("-m", f"scripts.{script}")):
        ran = run(plain, *way, *arguments)
        assert (ran.returncode, ran.stdout) == (78, "")
        assert ran.stderr.count("\n") == 1
        assert ran.stderr.endswith(f": pip install '.[{extra}]'\n")


@pytest.mark.slow
def test_what_needs_no_extra_works_without(plain: str, demo_copy: str) -> None:
    for script, *arguments in (
        ("record_outcomes", "--database-url", demo_copy),
        ("export_learner", "nobody", "--database-url", demo_copy),
        ("forget_learner", "nobody", "--database-url", demo_copy),
        ("retention", "--older-than", "9", "--database-url", demo_copy),
        ("models", "list"),
        ("example_usage",),
        ("create_database", "--sql", "sqlite"),
    ):
        ran = run(plain, os.path.join("scripts", f"{script}.py"), *arguments)
        assert ran.returncode == 0, ran.stderr
    asked = run(plain, "predict.py", "demo-learner", "action-potentials")
    assert '"risk_level": "HIGH"' in asked.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("monitor", ()), ("promotion", ()), ("quality", ("--data", "."))],
    ids=lambda each: str(each),
)
def test_a_benchmark_without_its_extra_ends_with_one_sentence(
    plain: str, name: str, arguments: tuple[str, ...]
) -> None:
    ran = run(plain, "-m", "scripts.benchmark", name, *arguments)
    assert (ran.returncode, ran.stderr.count("\n")) == (78, 1)
    assert "pip install '.[train]'" in ran.stderr


def test_a_mistake_of_ours_does_not_pass_for_a_missing_extra() -> None:
    from scripts.cli.extras import Extras

    with pytest.raises(ModuleNotFoundError), Extras():
        import no_such_package  # noqa: F401


def test_every_package_of_an_extra_is_known() -> None:
    import tomllib

    from scripts.cli.extras import EXTRA_OF

    named = {"scikit-learn": "sklearn", "prometheus-client": "prometheus_client"}
    extras = tomllib.loads(Path(HOUSE, "pyproject.toml").read_text())["project"]["optional-dependencies"]
    twice = {("service", "jinja2")}  # the sentence names the extra of the commands; the service names its own
    for extra in ("train", "prisma", "parquet", "cluster", "service"):
        for need in extras[extra]:
            package = need.partition(">")[0].strip()
            if not package.startswith("struggle-predictor") and (extra, package) not in twice:
                assert EXTRA_OF[named.get(package, package)] == extra
