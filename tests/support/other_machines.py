"""What Windows lacks, taken away from a Python process on this machine before its first line.

The names are those that typeshed gives to `signal`, `os` and `select` on other systems than Windows, and the modules
that CPython builds only there (docs.python.org/3/library, "Availability: Unix").
"""

from __future__ import annotations

import os
from pathlib import Path

SIGNALS = ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGSTOP", "SIGTSTP")
TIMERS = (
    *("alarm", "setitimer", "getitimer", "ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF", "pause", "siginterrupt"),
    *("pthread_kill", "pthread_sigmask", "sigpending", "sigwait", "sigwaitinfo", "sigtimedwait"),
)
OF_OS = (
    *("fork", "forkpty", "register_at_fork", "wait", "wait3", "wait4", "waitid", "WNOHANG", "killpg", "nice"),
    *("getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "setuid", "setgid", "getpgid", "setsid"),
    *("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_DIRECTORY", "O_SYNC", "O_DSYNC", "O_TMPFILE", "O_PATH"),
    *("pread", "preadv", "pwrite", "pwritev", "readv", "writev", "sendfile", "fchmod", "fchown", "chown", "lchown"),
    *("mkfifo", "mknod", "fdatasync", "fstatvfs", "statvfs", "posix_fadvise", "posix_spawn", "sched_getaffinity"),
    *("sched_setaffinity", "sched_yield", "getloadavg", "uname", "sysconf", "confstr", "pathconf", "ttyname", "sync"),
    *("get_blocking", "set_blocking", "pipe2", "lockf", "F_LOCK", "openpty", "memfd_create", "getxattr", "setxattr"),
)
OF_SELECT = ("poll", "epoll", "POLLIN", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL", "POLLPRI")
MODULES = ("fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty", "readline", "spwd")

WITHOUT_MODULES = f"import sys\nfor name in {MODULES!r}:\n    sys.modules[name] = None  # `import` raises ImportError\n"
_CUSTOMIZE = f"""
import _signal, os, select, sys
for name in {SIGNALS + TIMERS!r}:
    vars(_signal).pop(name, None)
for name in {OF_OS!r}:
    vars(os).pop(name, None)
for name in {OF_SELECT!r}:
    vars(select).pop(name, None)
{WITHOUT_MODULES}
"""


def like_windows(directory: Path, without: str = _CUSTOMIZE, **environment: str) -> dict[str, str]:
    """The environment in which Python finds none of these names. directory: an empty one that only this uses."""
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(without)
    path = os.pathsep.join(filter(None, (str(directory), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, **environment, "PYTHONPATH": path}
