#!/usr/bin/env python3
"""Shows what an audit log holds: `python scripts/audit_log.py --audit-log FILE --learner USER_ID`."""

from __future__ import annotations

import json
import os
import sys

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from scripts.auditing.about import warn
from scripts.auditing.audited import audit_log_read, log_path
from scripts.auditing.log import Action, found_in
from scripts.cli.command import command, note
from scripts.cli.exits import Misconfigured, Usage
from scripts.cli.options import Id, json_option
from scripts.cli.streams import in_one_line


@command({0: "the runs are shown"})
@audit_log_read
@click.option("--learner", type=Id(), metavar="ID", help="Show only what was run on this learner.")
@json_option
def audit_log(learner: str | None, as_json: bool) -> None:
    """Show which audited commands were run, the earliest first: when, by whom, on how much, and how they ended.

    The log holds learners only as keyed hashes. With --learner, the hash of the id is made with the key beside the log.
    """
    if learner == "":
        raise Usage("--learner is empty.")  # as with a shell's variable that is not set
    path = log_path()
    if path is None:
        raise Misconfigured("No audit log is named: give --audit-log, or set STRUGGLE_AUDIT_LOG.")
    found = found_in(path, learner)
    warn(found.damaged, found.other_keys)
    if as_json:
        click.echo(json.dumps({"actions": [_plain(action) for action in found.actions]}))
        return
    for action in found.actions:
        click.echo(in_one_line(_told(action)))
    if not found.actions:
        note("The audit log has no such run.")


def _plain(action: Action) -> dict[str, object]:
    return {
        "at": action.at,
        "command": action.command,
        "operator": action.operator,
        "account": action.account,
        "learner": action.learner,
        "settings": dict(action.settings),
        "counts": dict(action.counts),
        "exit_code": action.exit_code,
    }


def _told(action: Action) -> str:
    who = action.operator + (f" (as {action.account})" if action.account != action.operator else "")
    ended = "did not end" if action.exit_code is None else f"exit {action.exit_code}"
    facts = ", ".join(f"{name} {value}" for name, value in {**action.settings, **action.counts}.items())
    about = f"learner {action.learner}" if action.learner else ""
    return "  ".join(part for part in (action.at, action.command, who, ended, about, facts) if part)


if __name__ == "__main__":
    audit_log()
