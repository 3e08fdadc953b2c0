"""What the audit log tells the learner: what was done with his or her rows, and when."""

from __future__ import annotations

from scripts.auditing.log import found_in
from scripts.cli.command import note
from scripts.cli.counted import counted


def actions_on(path: str, user_id: str, but: str | None) -> list[dict[str, object]]:
    """The runs about one learner, except for the present one, the earliest first.

    Who ran them is left out: the learner has a right to what was done, and operators to their names. Raises
    InputOutput, Misconfigured.
    """
    found = found_in(path, user_id)
    warn(found.damaged, found.other_keys)
    return [
        {
            "at": action.at,
            "command": action.command,
            "exit_code": action.exit_code,
            "counts": dict(action.counts),
        }
        for action in found.actions
        if action.run != but
    ]


def warn(damaged: int, other_keys: int) -> None:
    """Says on stderr what a log could not tell."""
    if damaged:
        note(f"{counted(damaged, 'line')} of the audit log cannot be read.")
    if other_keys:
        runs = counted(other_keys, "run")
        note(f"The audit log has {runs} on learners under another key, who cannot be recognised without it.")
