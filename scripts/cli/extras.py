"""What a command needs beyond a plain installation. Without it, --help still works, and a call says what to install.

extras = Extras()
with extras:
    import numpy as np

@command()
@extras.required
def some_command() -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from scripts.cli.exits import ExtraMissing

EXTRA_OF = {
    "jinja2": "train",  # the service's extra brings it, too
    **dict.fromkeys(("dateparser", "joblib", "numpy", "orjson", "scipy", "sklearn", "threadpoolctl", "tqdm"), "train"),
    **dict.fromkeys(("dask", "distributed"), "cluster"),
    **dict.fromkeys(("anyio", "fastapi", "prometheus_client", "pydantic", "starlette", "uvicorn"), "service"),
    **dict.fromkeys(("aiosqlite", "asyncpg", "httpx", "sqlalchemy"), "dev"),
    "prisma": "prisma",
    "pyarrow": "parquet",
    **dict.fromkeys(("openpyxl", "zstandard"), "import"),
}
"""Package, as it is imported -> the extra of pyproject.toml that brings it."""


class Extras:
    """The block in which a command imports what an extra brings.

    The first import that fails ends the block; the command must then be called through `required`, which refuses. A
    package that belongs to no extra is a mistake of ours, and its ModuleNotFoundError is raised as usual.
    """

    def __init__(self) -> None:
        self.missing: str | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        self.missing = _package(error)
        return self.missing is not None

    def required(self, command: Callable[..., Any]) -> Callable[..., Any]:
        """The same command; it ends with 78 and one sentence where a package is missing, at the import or later."""

        @wraps(command)
        def equipped(*arguments: Any, **options: Any) -> Any:
            if self.missing is not None:
                raise ExtraMissing(sentence(self.missing))
            try:
                return command(*arguments, **options)
            except ModuleNotFoundError as error:
                missing = _package(error)
                if missing is None:
                    raise
                raise ExtraMissing(sentence(missing)) from None

        return equipped


def sentence(package: str, extra: str = "") -> str:
    """What to install for a package, in the form that works from a checkout.

    extra: used instead of the one in EXTRA_OF.
    """
    return f"This needs {package}: pip install '.[{extra or EXTRA_OF[package]}]'"


def lacking_package(error: ModuleNotFoundError) -> Exception:
    """ExtraMissing for a package of an extra; the error itself for any other."""
    missing = _package(error)
    return error if missing is None else ExtraMissing(sentence(missing))


def _package(error: BaseException | None) -> str | None:
    root = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return root if root in EXTRA_OF else None
