"""Where models are kept, as far as a prediction needs to know, and how their files are opened."""

from __future__ import annotations

import os
import stat

HOUSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The directory of predict.py, from which relative model paths start, whatever the caller's working directory."""
MODELS = "models"
CURRENT = "current.pkl"
PRETRAINED = "pretrained.pkl"
POINTER = "difficulty.current"
"""Names the difficulty table that is kept up to date (ml/storage/difficulty_pointer.py)."""
LEVELS_FILE = "levels.json"
"""Names the file with the levels of a deployment (ml/storage/levels_file.py)."""
MODELS_DIR = "STRUGGLE_MODELS_DIR"
"""The variable that names the directory of this deployment's models; without it, models/ beside predict.py."""
MODEL = "STRUGGLE_MODEL"
"""The variable that names the model to answer with, as --model does."""
LANGUAGE = "STRUGGLE_LANGUAGE"
AUDIENCE = "STRUGGLE_AUDIENCE"
"""The variables that name the language of answers and their reader, as --language and --audience do."""

_READING = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _READING |= getattr(os, _flag, 0)  # Windows has only the last, and it alone needs it


def setting(variable: str) -> str | None:
    """The variable's text; None where it is not set or blank, which means the default."""
    return os.environ.get(variable, "").strip() or None


def current() -> str:
    """The absolute path of the model that answers when nobody names one."""
    return os.path.join(models_directory(), CURRENT)


def answers_by_default(path: str) -> bool:
    """Whether a model at this absolute path answers when nobody names one, in this deployment or in the checkout."""
    return path in (current(), resolve(os.path.join(MODELS, CURRENT)))


def models_directory() -> str:
    """The directory of this deployment's models; a relative STRUGGLE_MODELS_DIR starts in the working directory."""
    directory = setting(MODELS_DIR)
    return os.path.abspath(directory) if directory else resolve(MODELS)


def shipped() -> str:
    """The absolute path of the model that the repository ships."""
    return resolve(os.path.join(MODELS, PRETRAINED))


def resolve(path: str | os.PathLike[str]) -> str:
    """The absolute form of a model path; a relative one starts at predict.py's directory."""
    return os.path.normpath(os.path.join(HOUSE, os.fspath(path)))


def opened(path: str) -> int:
    """A descriptor of the regular file at path, open for reading; the caller closes it. Raises OSError.

    Pipes and devices are refused: opening a pipe would wait for its writer, and a device may never end.
    """
    handle = os.open(path, _READING)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is not a regular file")
    return handle


def content_of(path: str, most: int) -> bytes:
    """The bytes of the regular file at path. Raises OSError where there is none, or one larger than `most` bytes."""
    with open(opened(path), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(0, f"it is larger than {most} bytes")
    return content


def archived(path: str) -> bytes:
    """The bytes of a file inside predict.pyz, which has no path of its own. Raises FileNotFoundError.

    scripts/build_zipapp.py makes such an archive; a program that runs from files has none.
    """
    loader = globals()["__loader__"]
    if hasattr(loader, "archive"):  # zipimport.zipimporter; any other loader would open the path
        try:
            return loader.get_data(path)  # type: ignore[no-any-return]
        except OSError:
            pass
    raise FileNotFoundError(path)


def content_if_there(path: str, most: int) -> bytes | None:
    """The bytes of a file on disk or inside predict.pyz; None where there is none.

    Raises OSError where it is larger than `most` bytes, no regular file, or not readable.
    """
    try:
        return content_of(path, most)
    except FileNotFoundError:
        return None
    except NotADirectoryError:  # inside predict.pyz
        try:
            return archived(path)
        except FileNotFoundError:
            return None
