"""Several worker processes of the service, under uvicorn's supervisor."""

from __future__ import annotations

import os
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess

from scripts.cli.exits import Unavailable

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which by itself would restart a worker that cannot start for ever, and end with 0."""

    has_served = cannot_start = False

    def keep_subprocess_alive(self) -> None:
        """Restarts a worker that has died; gives up if none has ever served."""
        if self.should_exit.is_set():
            return
        self.has_served = self.has_served or any(each.is_ready(1) for each in self.processes)
        if not self.has_served and not all(each.process.is_alive() for each in self.processes):
            self.cannot_start = True
            self.should_exit.set()
            return
        super().keep_subprocess_alive()
        self.cannot_start = self.should_exit.is_set()  # uvicorn has given up


def supervise(config: uvicorn.Config) -> None:
    """Runs worker processes until SIGTERM. Raises Unavailable where they cannot start."""
    sys.path.insert(0, ROOT)  # they import the application by name, and must not take another's `scripts`
    supervisor = Supervisor(config, sockets=[config.bind_socket()])
    supervisor.run()
    if supervisor.cannot_start:
        raise Unavailable("the workers cannot start")
