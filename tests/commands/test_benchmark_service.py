"""The service benchmark measures what it says: real answers under load, both services over the same database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.load import Round, load
from scripts.benchmarks.processes import CannotMeasure
from scripts.benchmarks.service import AFRESH, GUIDE, OURS, report_of
from tests.support.benchmarks import SOME_RUN, figures_of

pytestmark = pytest.mark.slow


def test_both_services_are_measured_over_one_database(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ["service", "--database", "sqlite", "--seconds", "0.5", "--rounds", "1", "--connections", "3"]
    result = CliRunner().invoke(benchmark, [*arguments, "--json", str(out)])
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    figures = figures_of(report)
    assert list(figures) == [OURS, AFRESH, GUIDE]
    for row in figures.values():
        assert row["answers"]["value"] >= 3
        assert row["predictions/s"]["value"] > 0
        assert 0 < row["p50 ms"]["value"] <= row["p99 ms"]["value"]
    assert [goal["bound"] for goal in report["goals"]] == ["at least 6", "at most 1"]


def test_throughput_and_percentiles_are_medians_over_the_turns() -> None:
    turns = {
        OURS: [Round(300.0, [1.0] * 98 + [5.0, 9.0]), Round(310.0, [2.0] * 100), Round(900.0, [1.0] * 100)],
        GUIDE: [Round(50.0, [10.0] * 100)],
    }
    report = report_of(turns, SOME_RUN)
    ours = {each.figure: each for each in report.records if each.of == OURS}
    assert (ours["predictions/s"].value, ours["p50 ms"].value, ours["p99 ms"].value) == (310.0, 1.0, 2.0)
    assert (ours["predictions/s"].low, ours["predictions/s"].high) == (300.0, 900.0)
    assert [(goal.value, goal.met) for goal in report.goals] == [(6.2, True), (0.2, True)]


def test_an_answer_that_is_none_is_not_measured() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def measured() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            await load(server.sockets[0].getsockname()[1], 2, 0.2)

    with pytest.raises(CannotMeasure, match="503"):
        asyncio.run(measured())
