"""Files, archives and directories as streams of bytes, unpacked on the way: gzip, bz2, xz, Zstandard and zip."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

from scripts.importing.answers import MalformedLog

MOST_BYTES_UNPACKED = 1 << 30
MOST_TIMES_UNPACKED = 100
"""A file may unpack to a GiB, and to more only while it is at most so many times as large as it was packed."""
MOST_MEMBERS = 1_000_000

_EMPTY_ZIP = b"PK\x05\x06"
PACKED_AT_ONCE = 1 << 10
"""Bytes of a Zstandard file, which may become 32,768 times as many in memory."""

GZIP, BZIP2, XZ, ZSTANDARD, ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
SQLITE, PARQUET, ARROW = b"SQLite format 3\x00", b"PAR1", b"ARROW1"
_NOT_INSIDE = dict.fromkeys((GZIP, BZIP2, XZ, ZSTANDARD, ZIP), "a packed file") | {
    SQLITE: "a database",
    PARQUET: "a Parquet file",
    ARROW: "an Arrow file",
}
UNPACKING_FAILS = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


class Member(NamedTuple):
    """One file: of its own, of a directory or of an archive. path: None inside an archive."""

    name: str
    open: Callable[[], IO[bytes]]
    path: str | None = None

    def begins(self, length: int = 16) -> bytes:
        """Its first bytes, unpacked."""
        with self.open() as stream:
            return stream.read(length)


def check_is_text(name: str, first: bytes) -> None:
    """Raises MalformedLog for the first bytes of a file that can be read by itself, but not inside another."""
    for mark, kind in _NOT_INSIDE.items():
        if first.startswith(mark):
            raise MalformedLog(1, f"{name} holds {kind}, which is not read from inside another file or a directory")


def members_of(path: str) -> Iterator[Member]:
    """The files at a path, in the order of their names. Raises MalformedLog, OSError."""
    if os.path.isdir(path):
        for directory, directories, names in os.walk(path):
            directories.sort()
            for name in sorted(names):
                if not name.startswith("."):
                    yield from _unpacked(os.path.join(directory, name), in_directory=True)
        return
    yield from _unpacked(path)


def _unpacked(path: str, in_directory: bool = False) -> Iterator[Member]:
    with opened(path) as plain:
        first = plain.read(16)
    if first.startswith(_EMPTY_ZIP) and not in_directory:
        raise MalformedLog(1, "the zip file holds no file")
    if first.startswith(ZIP) and not in_directory:
        yield from _zipped(path)
        return
    yield Member(_name(path), lambda: stream_of(path), path)


def _name(path: str) -> str:
    """The file's name; in a directory such as user_id=17, as partitioned data sets have them, 17 with its ending."""
    name = os.path.basename(path)
    _, equals, value = os.path.basename(os.path.dirname(path)).partition("=")
    return value + os.path.splitext(name)[1] if equals and value else name


def _zipped(path: str) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(path)
    except UNPACKING_FAILS as error:
        raise MalformedLog(1, f"the zip file is damaged ({error})") from None
    infos = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    if len(infos) > MOST_MEMBERS:
        raise MalformedLog(1, f"the zip file has more than {MOST_MEMBERS:,} members")
    for info in sorted(infos, key=lambda info: info.filename):
        yield Member(os.path.basename(info.filename), lambda info=info: _member(archive, info))  # type: ignore[misc]


def _is_hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or os.path.basename(name).startswith(".")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        stream = archive.open(info)
    except UNPACKING_FAILS as error:
        raise MalformedLog(1, f"the zip file is damaged ({error})") from None
    return bounded(stream, info.compress_size, "zip")


@contextmanager
def opened(path: str) -> Iterator[io.BufferedReader]:
    """A regular file, as it is. Raises OSError for anything else."""
    without_waiting = getattr(os, "O_NONBLOCK", 0)  # a pipe would be waited for; Windows has none
    handle = os.open(path, os.O_RDONLY | without_waiting | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as plain:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is not a regular file, as a log must be")
        yield plain


def stream_of(path: str) -> IO[bytes]:
    """The bytes of a regular file, unpacked where it is packed. Raises MalformedLog, OSError, ModuleNotFoundError."""
    with opened(path) as plain:
        first = plain.read(8)
        size = os.fstat(plain.fileno()).st_size
    raw = open(path, "rb")  # noqa: SIM115  # the caller closes it
    if first.startswith(GZIP):
        return bounded(cast(IO[bytes], gzip.GzipFile(fileobj=raw)), size, "gzip", raw)
    if first.startswith(BZIP2):
        return bounded(cast(IO[bytes], bz2.BZ2File(raw)), size, "bzip2", raw)
    if first.startswith(XZ):
        return bounded(cast(IO[bytes], lzma.LZMAFile(raw)), size, "xz", raw)
    if first.startswith(ZSTANDARD):
        return bounded(zstandard_stream(raw), size, "Zstandard", raw)
    return raw


def zstandard_stream(packed: IO[bytes]) -> IO[bytes]:
    """The bytes of a Zstandard file, unpacked. Raises ModuleNotFoundError where the extra is not installed.

    A read raises EOFError where the file ends before its last frame does: the package's own stream ends there silently.
    """
    import zstandard

    return cast(IO[bytes], _Unpacked(packed, zstandard.ZstdDecompressor().decompressobj))


class _Unpacked(io.RawIOBase):
    """The frames of a Zstandard file, one after another."""

    def __init__(self, packed: IO[bytes], frame: Callable[[], Any]) -> None:
        self._packed = packed
        self._new_frame = frame
        self._frame: Any = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            piece = self._rest or self._packed.read(PACKED_AT_ONCE)
            if not piece:
                if self._frame is not None:
                    raise EOFError("it ends before its last frame does")
                return 0
            if self._frame is None:
                self._frame = self._new_frame()
            self._ready = memoryview(self._frame.decompress(piece))
            self._rest = b""
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        length = min(len(buffer), len(self._ready))
        buffer[:length] = self._ready[:length]
        self._ready = self._ready[length:]
        return length


def bounded(stream: IO[bytes], packed: int, kind: str, below: IO[bytes] | None = None) -> IO[bytes]:
    """Unpacked bytes, up to what a file of `packed` bytes may unpack to; what is damaged is a MalformedLog.

    below: the packed file, which is closed as well.
    """
    return cast(IO[bytes], io.BufferedReader(_Bounded(stream, packed, kind, below), 1 << 16))


class _Bounded(io.RawIOBase):
    """Unpacked bytes, up to a bound; what is damaged is a MalformedLog."""

    def __init__(self, stream: IO[bytes], packed: int, kind: str, below: IO[bytes] | None) -> None:
        self._stream = stream
        self._below = below
        self._left = max(MOST_BYTES_UNPACKED, packed * MOST_TIMES_UNPACKED)
        self._kind = kind

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            found = self._stream.read(len(buffer))
        except UNPACKING_FAILS as error:
            raise MalformedLog(1, f"the {self._kind} file is damaged ({error})") from None
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            raise MalformedLog(1, f"the {self._kind} file is damaged ({error})") from None
        self._left -= len(found)
        if self._left < 0:
            raise MalformedLog(1, f"the {self._kind} file unpacks to more than {MOST_BYTES_UNPACKED >> 20} MiB")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            if self._below is not None:
                self._below.close()
        super().close()
