"""Runs one command and prints its wall time in seconds, peak memory in KiB, exit code and processor time in seconds.

A new process first shares its parent's memory, and Linux counts that in its peak. So the parent must be smaller than
any Python that is measured: this file is run with -I -S and imports only what the interpreter has loaded anyway.

    python -I -S one_process.py COMMAND [ARGUMENT...]
"""

import os
import sys
from time import perf_counter

command = sys.argv[1:]
silenced = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
before = perf_counter()
process = os.posix_spawn(command[0], command, os.environ, file_actions=silenced)
_, status, usage = os.wait4(process, 0)
wall_s, cpu_s = perf_counter() - before, usage.ru_utime + usage.ru_stime
print(wall_s, usage.ru_maxrss, os.waitstatus_to_exitcode(status), cpu_s)  # noqa: T201 - the answer
