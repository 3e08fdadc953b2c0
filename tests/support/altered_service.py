"""A service whose work is altered before it starts, so that what a test looks at does not depend on the machine."""

from __future__ import annotations

from pathlib import Path

from tests.support.service_process import ROOT

START = """
import sys

class BeforeTheService:
    def find_spec(self, name, path=None, target=None):
        if name == "scripts.service":
            sys.meta_path.remove(self)
            self.alter()

    def alter(self):
        from scripts.serving import work
"""
END = """
sys.meta_path.insert(0, BeforeTheService())
"""


def altered(directory: Path, *lines: str) -> dict[str, str]:
    """The environment of a service that runs these lines, which see `work`, before it imports its application."""
    body = "\n".join(f"        {line}" for each in lines for line in each.splitlines())
    (directory / "sitecustomize.py").write_text(START + body + END)
    return {"PYTHONPATH": f"{directory}:{ROOT}"}


BATCHES_NEVER_END = """
do = work.Room.do
def do_for_ever(self, request, asked, within_s=None):
    def again_and_again(leave):
        while True:
            asked(leave)
    return do(self, request, again_and_again if within_s else asked, within_s and 3600.0)
work.Room.do = do_for_ever
"""


def predictions_wait_for(gate: Path) -> str:
    """Lines that keep every prediction from its work until there is a file of this name."""
    return f"""
import os, time
do = work.Room.do
def do_later(self, request, asked, within_s=None):
    def held(leave):
        while not os.path.exists({str(gate)!r}):
            time.sleep(0.01)
        return asked(leave)
    return do(self, request, held, within_s)
work.Room.do = do_later
"""
