"""The published JSON Schemas: printed by a command, true of what is printed, and versioned."""

from __future__ import annotations

import ast
import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ml.answer import SCHEMA_VERSION
from scripts.outputs.published import BODIES, TITLES, VERSIONS, fingerprint, schema, version
from scripts.schemas import schemas
from tests.support.outputs import check, closed, kind_of, read_lines, read_output, validator
from tests.support.running_predict import LEARNER, OBJECTIVE, ran

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(BODIES)
HOW = "scripts/outputs/published.py says how its version is raised"


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    return ran(LEARNER, OBJECTIVE).answer()


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_schema_of_2020_12_with_its_version(name: str) -> None:
    printed = CliRunner().invoke(schemas, [name])
    assert printed.exit_code == 0, printed.output
    found = json.loads(printed.stdout)
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["$id"] == f"urn:struggle-predictor:{name}:{version(name)}"
    assert found["title"] == TITLES[name]


def test_the_command_needs_a_name_that_it_knows() -> None:
    for arguments in ([], ["no-such"], ["answer", "doctor"]):
        assert CliRunner().invoke(schemas, arguments).exit_code == 2
    by_name = subprocess.run(
        [sys.executable, "-m", "scripts.schemas", "answer"], cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(by_name.stdout) == schema("answer")


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_schema_has_another_version(name: str) -> None:
    """Whoever changes an output raises the version; the versions before, and their hashes, stay."""
    found = fingerprint(BODIES[name])
    assert VERSIONS[name][version(name)] == found, f"the schema {name} was changed: {HOW}; its hash is {found}"
    assert len(set(VERSIONS[name].values())) == len(VERSIONS[name]), f"two versions of {name} are the same"
    numbers = [tuple(map(int, each.split("."))) for each in VERSIONS[name]]
    assert all(len(each) == 3 for each in numbers)
    assert numbers == sorted(set(numbers)), f"the newest version of {name} is not the last"


def test_the_answers_own_version_is_the_first_number_of_its_schemas() -> None:
    assert version("answer").split(".")[0] == str(SCHEMA_VERSION)


def test_no_part_of_a_schema_can_change_under_its_hash() -> None:
    def changed(part: Any) -> Any:
        if isinstance(part, dict):
            for name in list(part):
                kept = part.pop(name)
                yield
                part[name] = kept
                yield from changed(kept)
        elif isinstance(part, list):
            for each in part:
                yield from changed(each)

    for name in NAMES:
        body = copy.deepcopy(BODIES[name])
        told = {fingerprint(body) for _ in changed(body)}
        assert len(told) > 10 or name == "failure"
        assert fingerprint(BODIES[name]) not in told
        assert fingerprint(body) == VERSIONS[name][version(name)]


def without(field: str) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.pop(field)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "a field less": without("interval"),
    "a feature less": lambda found: found["features"].pop("ability"),
    "a field more": lambda found: found.update(mood="good"),
    "a field more within": lambda found: found["factors"][0].update(weight=1.0),
    "a number as a text": lambda found: found.update(probability="0.9"),
    "a probability beyond 1": lambda found: found.update(probability=1.5),
    "true for a number": lambda found: found.update(intercept=True),
    "an unknown level": lambda found: found.update(risk_level="SEVERE"),
    "a level that the probability does not have": lambda found: found.update(risk_level="LOW"),
    "an interval of three": lambda found: found["interval"].append(1.0),
    "a date without a time": lambda found: found.update(as_of="2025-10-16"),
    "an unknown feature": lambda found: found["factors"][0].update(feature="mood"),
    "a feature beyond 1": lambda found: found["features"].update(ability=1.01),
    "an id that is no UUID of version 7": lambda found: found.update(prediction_id="1"),
    "a code without a reason": lambda found: found.update(degraded_code="deadline"),
    "confident without records": lambda found: found.update(degraded="x", degraded_code="other", confidence=0.9),
    "no points": lambda found: found["factors"][0].pop("points"),
    "no base": without("base"),
    "another schema_version": lambda found: found.update(schema_version=SCHEMA_VERSION + 1),
}


@pytest.mark.parametrize("change", WRONG)
def test_an_answer_that_is_wrong_in_one_place_does_not_fit(answer: dict[str, Any], change: str) -> None:
    check(answer, "answer")
    wrong = copy.deepcopy(answer)
    WRONG[change](wrong)
    with pytest.raises(AssertionError, match=r"^answer: \$"):
        check(wrong, "answer")


def test_readers_of_todays_answer_accept_a_field_of_tomorrow(answer: dict[str, Any]) -> None:
    Draft202012Validator(schema("answer")).validate({**answer, "mood": "good"})


def test_each_output_is_told_from_the_others(answer: dict[str, Any]) -> None:
    failure = ran("nobody", OBJECTIVE).answer(66)
    report = read_output(ran("--doctor", "--pretty", "--demo").stdout)
    assert [kind_of(each) for each in (answer, failure, report)] == ["answer", "failure", "doctor"]
    for found, kind in ((answer, "failure"), (failure, "doctor"), (report, "answer")):
        with pytest.raises(AssertionError):
            check(found, kind)
    for unknown in ({}, {"probability": 0.5}, []):
        with pytest.raises(AssertionError):
            kind_of(unknown)


def test_what_the_doctor_says_of_what_cannot_be_used_fits(tmp_path: Path) -> None:
    (tmp_path / "no.sqlite3").write_bytes(b"no database" * 100)
    (tmp_path / "no.pkl").write_bytes(b"no model")
    asked = (
        ("--database-url", f"file:{tmp_path}/no.sqlite3"),
        ("--database-url", "postgresql://127.0.0.1:1/none"),
        ("--demo", "--model", str(tmp_path / "no.pkl")),
        ("--demo", "--model", "rules"),
    )
    assert [read_output(ran("--doctor", *each).stdout)["ok"] for each in asked] == [False, False, False, True]


def test_the_lines_of_a_batch_fit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.predict_batch", "--demo", "--quiet"]
    for options, kind in (((), "batch-line"), (("--full",), "answer")):
        lines = read_lines(subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=True).stdout)
        assert {kind_of(each) for each in lines} == {kind}


def test_what_is_closed_names_all_it_allows() -> None:
    """Every object of the schemas either lists its fields or says what its fields hold."""

    def objects(part: Any) -> Any:
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for each in part.values():
                yield from objects(each)
        elif isinstance(part, list):
            for each in part:
                yield from objects(each)

    for name in NAMES:
        for each in objects(closed(schema(name))):
            assert "additionalProperties" in each
    assert validator("answer") is validator("answer")


READ_OTHERWISE = {
    "test_monitoring_is_measured_as_a_process_of_its_own",
    "test_memory_stays_within_bounds_as_the_store_grows",
    "pages",
    "_targets",
    "test_the_dockerfiles_commands_make_a_service_that_is_healthy_and_predicts",
    "test_every_shape_of_event_is_answered",
    "test_vercels_handler_answers_json_to_whatever_is_wrong",
    "test_a_database_restarted_under_load_is_waited_out_without_a_wrong_answer",
}
"""Functions of the tests that read JSON from elsewhere: files, a benchmark's figures, the service's problems."""


def test_every_test_reads_these_outputs_by_the_one_function() -> None:
    """Where a function of the tests starts predict.py or monitor.py and reads JSON, it reads it by read_output."""
    started = re.compile(r"predict\.py|PREDICT\b|--doctor|\bmonitor\b|\bran\(|\bprinted\(")
    found = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "json.loads(" not in text:
            continue
        lines = text.split("\n")
        for each in ast.parse(text).body:
            if isinstance(each, ast.FunctionDef | ast.ClassDef):
                own = "\n".join(lines[each.lineno - 1 : each.end_lineno])
                if "json.loads(" in own and "read_output" not in own and started.search(own):
                    found.add(each.name)
    unread = found - READ_OTHERWISE
    assert not unread, f"{unread}: read predict.py's JSON by read_output; other JSON is named in READ_OTHERWISE"


def test_they_are_made_without_what_an_extra_brings() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from scripts.outputs.published import BODIES, schema\n"
        "assert all(map(schema, BODIES))\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'pydantic', 'jsonschema', 'click'}))"
    )
    ran_alone = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran_alone.stdout == "[]\n"
