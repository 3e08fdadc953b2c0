"""Pseudonyms of learners: the same learner always gets the same one, and only the key's owner can tell whose it is."""

from __future__ import annotations

import hmac
import os
import re
import secrets

import click

from ml.places import content_of
from scripts.cli.exits import InputOutput, Misconfigured
from scripts.cli.output_file import open_beside

PRIVATE = 0o600
KEY_BYTES = 32
LENGTH = 20
"""Hexadecimal digits: 80 bits, so that among a million learners two with one pseudonym are out of the question."""
KEY_NAME = 8


class Pseudonyms:
    """Pseudonyms under one key. They are keyed hashes (HMAC-SHA256), so an id cannot be guessed from one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, learner_id: str) -> str:
        """The learner's pseudonym."""
        return hmac.new(self._key, learner_id.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:LENGTH]

    @property
    def key_name(self) -> str:
        """A name of the key, by which two keys are told apart and which tells nothing about either."""
        return self.of("")[:KEY_NAME]  # no learner has an empty id


def unkept() -> Pseudonyms:
    """Pseudonyms under a key that is gone with the process: nobody can go back to the ids, and no two exports match."""
    return Pseudonyms(secrets.token_bytes(KEY_BYTES))


def kept_in(path: str) -> Pseudonyms:
    """Pseudonyms under the key in a file, which is made, for its owner alone, where it is absent.

    Raises InputOutput, and Misconfigured where the file is not such a key.
    """
    try:
        handle = open_beside(path, PRIVATE)
        with open(handle, "r+b") as file:
            file.seek(0)
            found = file.read(4 * KEY_BYTES)
            if not found:
                key = secrets.token_bytes(KEY_BYTES)
                file.write(key.hex().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                return Pseudonyms(key)
    except OSError as error:
        said = f"The key {click.format_filename(path)} cannot be read or written: {error.strerror}."
        raise InputOutput(said) from None
    return _under(found, path)


def read_from(path: str) -> Pseudonyms:
    """Pseudonyms under the key in a file, which must be there. Raises InputOutput, Misconfigured."""
    try:
        return _under(content_of(path, 4 * KEY_BYTES), path)
    except OSError as error:
        raise InputOutput(f"The key {click.format_filename(path)} cannot be read: {error.strerror}.") from None


def _under(found: bytes, path: str) -> Pseudonyms:
    if not re.fullmatch(rb"[0-9a-f]{%d}\n?" % (2 * KEY_BYTES), found):
        raise Misconfigured(f"{click.format_filename(path)} is not a key that an earlier run made.")
    return Pseudonyms(bytes.fromhex(found.decode()))
