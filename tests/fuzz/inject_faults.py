"""Real predict.py processes under injected faults, counted: `python -m tests.fuzz.inject_faults --faults 1000`.

Fault number n of seed s is the same on every machine but for the moments of what happens meanwhile; `--only n` runs it
alone and shows it. Counted are tracebacks, invalid JSON, exit codes that the page does not allow for the fault, ends
later than the deadline and a second, processes and connections left behind, and credentials in any output.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from scripts.testbed.postgres import scratch_postgres
from tests.fuzz import seeded
from tests.fuzz.fault_kinds import KINDS, Ground, Trial, cleared
from tests.fuzz.seeded import Ended, Fault
from tests.support.postgres_server import connected
from tests.support.running_predict import LEARNER, OBJECTIVE, PREDICT

COUNTED = ("traceback", "invalid JSON", "wrong exit code", "hang", "orphan", "credential shown")
MARGIN_S = 1.0
"""What may pass beyond --timeout: the start, and half a second for a reader of stdout. The route waits as long."""

KILLED_AFTER_S = 30.0
_INTERRUPTED = {130: "SIGINT", 143: "SIGTERM"}


def run_one(trial: Trial) -> tuple[Ended, list[str]]:
    """The process of a trial, to its end; and the processes of its session that outlived it."""
    words = [sys.executable, PREDICT, LEARNER, OBJECTIVE, *trial.options]
    if trial.shell:
        words = ["/bin/sh", "-c", f'{trial.shell} && exec "$@"', "sh", *words]
    environment = {**(os.environ if trial.environment is None else trial.environment), "DATABASE_URL": trial.url}
    began = time.monotonic()
    process = subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if trial.stdout is None else trial.stdout,
        stderr=subprocess.PIPE if trial.stderr is None else trial.stderr,
        start_new_session=True,
    )
    with contextlib.suppress(ProcessLookupError):
        trial.meanwhile(process)
    raised = ""
    try:
        stdout, stderr = process.communicate(timeout=KILLED_AFTER_S)
    except subprocess.TimeoutExpired:
        raised = "killed"
        process.kill()
        stdout, stderr = process.communicate()
    seconds = time.monotonic() - began
    return Ended(process.returncode, stdout or b"", stderr or b"", raised, seconds), left_of(process.pid)


def left_of(session: int) -> list[str]:
    """The processes of a session, which its leader should have been alone in."""
    left = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            name, _, rest = path.read_text(errors="replace").rpartition(")")
            if int(rest.split()[3]) == session:
                left.append(name)
    return left


def judged(trial: Trial, ended: Ended, margin_s: float) -> list[Fault]:
    """What is wrong with how a process ended."""
    faults, stderr = [], ended.stderr.decode(errors="replace")
    told = f"{ended.code}: {ended.stdout[:200]!r} {stderr[-600:]}"
    if ended.raised or ended.seconds > trial.timeout_s + margin_s:
        faults.append(Fault("hang", f"{ended.seconds:.1f} s. {told}"))
    if ended.code not in trial.codes:
        faults.append(Fault("wrong exit code", told))
    if seeded.SECRET in stderr or seeded.SECRET.encode() in ended.stdout:
        faults.append(Fault("credential shown", told))
    # Python itself, interrupted while it starts, says so before the first line of ours has been read.
    not_ours = -signal.SIGINT in trial.codes and "predict.py" not in stderr.replace(PREDICT, "")
    if "Traceback" in stderr and not not_ours:
        faults.append(Fault("traceback", told))
    if ended.code in _INTERRUPTED:
        said = {"error": {"code": "interrupted", "message": f"stopped by {_INTERRUPTED[ended.code]}"}}
        if ended.stdout != json.dumps(said).encode() + b"\n":
            faults.append(Fault("invalid JSON", told))
    elif ended.code in trial.codes and ended.code != 74 and ended.code is not None and ended.code >= 0 and ended.stdout:
        quiet = ended._replace(raised="", seconds=0.0, stderr=b"" if trial.garbled or not_ours else ended.stderr)
        faults += seeded.outcome_of([LEARNER, OBJECTIVE, *trial.options], quiet).faults
    elif ended.stdout and not ended.stdout.endswith(b"}\n"):
        faults.append(Fault("invalid JSON", f"a part of an answer. {told}"))
    elif ended.code in (0, 2, 66, 69, 70, 78):
        faults.append(Fault("invalid JSON", f"nothing printed. {told}"))
    return faults


def connections_left(url: str) -> int:
    """Of predict.py, after some seconds for the server to notice that they are gone."""
    give_up_at = time.monotonic() + 10
    with connected(url.partition("?")[0]) as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'faulty'")
            ((left,),) = cursor.fetchall()
            if not left or time.monotonic() > give_up_at:
                return int(left)
            time.sleep(0.02)


def run(numbers: Iterable[int], seed: int, margin_s: float = MARGIN_S, show: bool = False) -> dict[str, Any]:
    """Injects the faults of these numbers; the figures, and up to twenty failures with what reproduces them."""
    names = sorted(KINDS)
    endings: dict[str, Counter[str]] = {name: Counter() for name in names}
    counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    told: list[dict[str, Any]] = []
    latest, began, injected = 0.0, time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="faults-") as directory, scratch_postgres() as server:
        ground = Ground(directory, server)
        ground.usual_s = run_one(Trial(ground.url))[0].seconds
        for number in numbers:
            name = names[number % len(names)]
            with KINDS[name](ground, random.Random(f"{seed}:{number}")) as trial:
                ended, left = run_one(trial)
            faults = judged(trial, ended, margin_s)
            faults += [Fault("orphan", each) for each in left]
            if trial.url.startswith("postgresql:") and (connections := connections_left(ground.url)):
                faults.append(Fault("orphan", f"{connections} connections"))
            injected += 1
            latest = max(latest, ended.seconds - trial.timeout_s)
            endings[name][str(ended.code)] += 1
            if show:
                click.echo(f"{name}: {trial}\n{ended}")
            for fault in faults:
                counts[fault.kind] += 1
                if len(told) < 20:
                    told.append({"only": number, "fault": name, **fault._asdict()})
            cleared(ground)
    return {
        "injected": injected,
        "seed": seed,
        "faults": dict(counts),
        "endings": {name: dict(sorted(of_kind.items())) for name, of_kind in endings.items()},
        "latest_s_past_the_deadline": round(latest, 3),
        "seconds": round(time.monotonic() - began, 1),
        "told": told,
    }


@click.command()
@click.option("--faults", default=1000, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="Another seed, other faults.")
@click.option("--start", default=0, show_default=True, help="The first fault's number.")
@click.option("--only", type=int, help="Inject this one fault alone, and show it.")
@click.option("--margin", default=MARGIN_S, show_default=True, help="Seconds that may pass beyond the deadline.")
def main(faults: int, seed: int, start: int, only: int | None, margin: float) -> None:
    """Run predict.py under injected faults of every kind. Prints figures as JSON; exit code 1 if anything counted."""
    for name in [name for name in os.environ if name.startswith("PG") or name == "DATABASE_URL"]:
        del os.environ[name]
    os.environ.update(PGHOST="/nonexistent", PGSERVICEFILE=os.devnull)
    numbers = range(start, start + faults) if only is None else range(only, only + 1)
    found = run(tqdm(numbers, unit="faults", disable=None), seed, margin, show=only is not None)
    click.echo(json.dumps(found, indent=1))
    sys.exit(1 if any(found["faults"].values()) else 0)


if __name__ == "__main__":
    main()
