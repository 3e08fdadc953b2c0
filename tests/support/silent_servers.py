"""Servers that cannot be reached at once, as predict.py meets them: a handshake that takes long, or never ends."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def full_queue(port: int = 0, opens_after_s: float | None = None) -> Iterator[int]:
    """The port of a listener whose accept queue is full: the kernel drops the SYN of whoever else comes.

    After opens_after_s it passes everybody on to the server at `port`; without, it stays silent for good. A dropped
    SYN is sent again after one second and after three.
    """
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        fillers = []
        while True:
            filler = opened.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(place)
            except TimeoutError:
                break
            fillers.append(filler)
        ended = threading.Event()

        def serve() -> None:
            ended.wait(opens_after_s)
            for filler in fillers:
                filler.close()
            _serve(listener, port, 0.0, ended)

        server = threading.Thread(target=serve, daemon=True)
        if opens_after_s is not None:
            server.start()
        try:
            yield place[1]
        finally:
            ended.set()
            if opens_after_s is not None:
                server.join()


@contextlib.contextmanager
def far_away(port: int, round_trip_s: float, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[int]:
    """The port of a proxy through which every byte to and from the server takes half of round_trip_s."""
    ended = threading.Event()
    with socket.create_server(address) as listener:
        serving = threading.Thread(target=_serve, args=(listener, port, round_trip_s / 2, ended), daemon=True)
        serving.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ended.set()
            serving.join()


def _serve(listener: socket.socket, port: int, delay_s: float, ended: threading.Event) -> None:
    while not ended.is_set():
        if select.select([listener], [], [], 0.05)[0]:
            client, _ = listener.accept()
            threading.Thread(target=_pass_on, args=(client, port, delay_s), daemon=True).start()


def _pass_on(client: socket.socket, port: int, delay_s: float) -> None:
    """Both ways until one side ends; what arrives is held back for delay_s."""
    with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        held: list[tuple[float, socket.socket, bytes]] = []
        other = {client: server, server: client}
        while True:
            wait_s = max(0.0, held[0][0] - time.monotonic()) if held else 1.0
            for source in select.select([client, server], [], [], wait_s)[0]:
                octets = source.recv(65_536)
                if not octets:
                    return
                held.append((time.monotonic() + delay_s, other[source], octets))
            while held and held[0][0] <= time.monotonic():
                _, target, octets = held.pop(0)
                target.sendall(octets)
