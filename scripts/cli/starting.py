"""The first steps of a predict.py process, before its own imports, which take half of a prediction's time.

Only modules that are built into every interpreter are imported here, not even `__future__`: until
`leave_out_callers_directory` has been called, a file in the caller's directory might be imported in place of any other
module.
"""

import _signal as signal  # the C half: the enums of `signal` cost two milliseconds
import _thread
import gc
import os
import sys
import time

GIVE_UP_S = 0.5
"""How long the words of a process that was stopped may wait for their reader."""


def begin(by_name: bool = False) -> None:
    """Prepares the process to give one answer. by_name: whether it was started by `python -m`."""
    gc.disable()  # the process ends with its one answer, before there is anything to collect
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGALRM"):  # Windows has none
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    leave_out_callers_directory(os.environ.get("PYTHONPATH", ""), by_name)


def stop(signum: int, _frame: object) -> None:
    """Handles SIGINT and SIGTERM: prints one JSON object and ends with the exit code that shells expect (130, 143)."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # a second one must not print a second object
    _end_soon(128 + signum)  # nor may a full pipe keep us
    name = b"SIGINT" if signum == signal.SIGINT else b"SIGTERM"
    try:
        os.write(1, b'{"error": {"code": "interrupted", "message": "stopped by %s"}}\n' % name)
    finally:  # also when stdout is gone
        os._exit(128 + signum)


def _end_soon(code: int) -> None:
    """Ends the process with this code after GIVE_UP_S, whatever it is doing then."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
        signal.setitimer(signal.ITIMER_REAL, GIVE_UP_S)
        return

    def end() -> None:
        time.sleep(GIVE_UP_S)
        os._exit(code)

    _thread.start_new_thread(end, ())


def leave_out_callers_directory(named: str, by_name: bool = False) -> None:
    """Removes the working directory from the module search path, because files there are not our modules.

    named: PYTHONPATH's value, in which an empty or relative entry may mean that directory; one that is absolute stays.
    by_name: whether `python -m` has put the directory first.
    """
    entries = named.split(os.pathsep) if named else []
    there = [entry for entry in entries if not os.path.isabs(entry)]
    if not there and not by_name:
        return
    try:
        here = os.getcwd()
    except OSError:  # it has been removed
        here = ""
    unwanted = {"", here, *(entry for entry in there if os.path.normpath(os.path.join(here, entry)) == (here or "."))}
    unwanted.difference_update(entry for entry in entries if os.path.isabs(entry))
    sys.path[1:] = [entry for entry in sys.path[1:] if entry not in unwanted]
