"""The command `struggle-predict` of an installed project: predict.py under another name, with the same contract."""

import os
import time

from scripts.cli.starting import begin

BEGAN = time.monotonic()
NAME = "struggle-predict"


def run() -> None:
    """Answers the command line and ends the process, as predict.py does."""
    begin()
    import predict

    os._exit(predict.main(began=BEGAN, called=NAME))
