"""A loopback proxy between predict.py and PostgreSQL: it has accidents at a byte of choice, or insists on TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import need

SSL_REQUEST = struct.pack("!II", 8, 80877103)
_REFUSAL = b"SFATAL\0VFATAL\0C08P01\0MSSL required\0\0"
REFUSED = b"E" + struct.pack("!I", 4 + len(_REFUSAL)) + _REFUSAL
DRIP_S = 0.005


class Accident(NamedTuple):
    """What happens to byte number `at` of all that goes one way.

    kind: "cut" both connections are closed; "reset" the same with RST; "stall" nothing more comes; "garble" the byte
    is XORed with mask; "drip" from here on byte by byte, 5 ms apart.
    """

    kind: str
    to_client: bool
    at: int
    mask: int = 0xFF


class Cut(Exception):
    """Raised where the accident is that both connections end."""


class _Way:
    """One direction of a conversation, and the accident on it."""

    def __init__(self, target: socket.socket, accident: Accident | None, ended: threading.Event) -> None:
        self._target, self._accident, self._ended = target, accident, ended
        self._passed = 0

    def pass_on(self, octets: bytes) -> None:
        """Raises Cut."""
        accident, place = self._accident, self._accident.at - self._passed if self._accident else 0
        self._passed += len(octets)
        if accident is None or place >= len(octets):
            self._target.sendall(octets)
            return
        place = max(0, place)
        if accident.kind == "garble":
            self._accident = None
            self._target.sendall(octets[:place] + bytes((octets[place] ^ accident.mask,)) + octets[place + 1 :])
        elif accident.kind == "drip":
            self._target.sendall(octets[:place])
            for octet in octets[place:]:
                if self._ended.wait(DRIP_S):
                    raise Cut
                self._target.sendall(bytes((octet,)))
        else:
            self._target.sendall(octets[:place])
            if accident.kind == "stall":
                self._ended.wait()
            raise Cut


class _Conversation(threading.Thread):
    """One client's, until either side ends it or the proxy does."""

    def __init__(self, client: socket.socket, port: int, accident: Accident | None, tls: ssl.SSLContext | None) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._client, self._port, self._accident, self._tls = client, port, accident, tls

    def run(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as server:
            client = self._client if self._tls is None else self._under_tls(self._tls)
            with client:
                self._exchange(client, server)
        self._client.close()

    def _under_tls(self, context: ssl.SSLContext) -> socket.socket:
        if self._client.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
            self._client.sendall(REFUSED)
            raise ConnectionError
        self._client.sendall(b"S")
        return context.wrap_socket(self._client, server_side=True)

    def _exchange(self, client: socket.socket, server: socket.socket) -> None:
        accident = self._accident
        ways = {
            client: _Way(server, accident if accident and not accident.to_client else None, self.ended),
            server: _Way(client, accident if accident and accident.to_client else None, self.ended),
        }
        while not self.ended.is_set():
            waiting = isinstance(client, ssl.SSLSocket) and client.pending()
            for source in [client] if waiting else select.select([client, server], [], [], 0.05)[0]:
                octets = source.recv(65_536)
                if not octets:
                    return
                try:
                    ways[source].pass_on(octets)
                except Cut:
                    if accident and accident.kind == "reset":
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return


@contextlib.contextmanager
def between(port: int, accident: Accident | None = None, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a proxy before the server's; each of its conversations has the accident, and ends with the block.

    tls: clients must speak TLS with it, as PgBouncer's and stunnel's must; the server behind it is spoken to plainly.
    """
    conversations: list[_Conversation] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                conversations.append(_Conversation(listener.accept()[0], port, accident, tls))
                conversations[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for conversation in conversations:
                conversation.ended.set()
            for conversation in conversations:
                conversation.join()


def self_signed(directory: Path) -> tuple[str, str]:
    """The files of a certificate for localhost, signed by itself, and of its key."""
    files = str(directory / "certificate.pem"), str(directory / "key.pem")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([need("openssl"), *words, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files
