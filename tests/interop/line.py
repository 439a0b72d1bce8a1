"""A TCP line between the gateway and the peer that can lose what comes back: a receipt that never arrives."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 65_536


class Line:
    """Passes octets on, both ways, without reading them (TLS goes through untouched)."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self._silent = threading.Event()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, name="line", daemon=True)
        self._thread.start()

    def lose_answers(self) -> None:
        """From now on nothing comes back, until ``cut``."""
        self._silent.set()

    def cut(self) -> None:
        """Every connection breaks; new ones work."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()
        self._silent.clear()

    def close(self) -> None:
        # Closing alone does not wake a thread that is in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            try:
                called = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                caller.close()
                continue
            self._open += [caller, called]
            for source, sink, back in ((caller, called, False), (called, caller, True)):
                threading.Thread(target=self._pump, args=(source, sink, back), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError), source:
            while chunk := source.recv(_CHUNK):
                if not (back and self._silent.is_set()):
                    sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def line(port: int, target: int) -> Iterator[Line]:
    """A line that ends with the block."""
    made = Line(port, target)
    try:
        yield made
    finally:
        made.close()
