"""The command `struggle-predict` of an installed project: predict.py under another name, with the same contract.

A person who starts it on a terminal is answered in words.
"""

import os
import time

from scripts.cli.starting import begin

BEGAN = time.monotonic()
NAME = "struggle-predict"


def run() -> None:
    """Answers the command line and ends the process, as predict.py does."""
    begin()
    import predict

    os._exit(predict.main(began=BEGAN, called=NAME, to_a_person=os.isatty(1)))
