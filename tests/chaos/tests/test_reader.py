"""When the chaos run's reader asks again: only what a browser would ask again for may not count as a broken promise."""

import contextlib
import socket
import struct
import threading
import typing

import httpx
import pytest

from chaos.reader import Reader

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"


@contextlib.contextmanager
def server(*connections: list[str]) -> typing.Iterator[str]:
    """A server that does with each request of its first connection, its second … what stands there: answers it, or ends or resets the connection."""

    def serve() -> None:
        for deeds in connections:
            with listening.accept()[0] as peer:
                for deed in deeds:
                    peer.recv(65_536)
                    if deed == "cut off":
                        peer.sendall(CUT_OFF)
                    elif deed == "answer":
                        peer.sendall(ANSWER)
                    elif deed == "reset":
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def ask(url: str, times: int) -> list[int]:
    reader = Reader(url, "token")
    return [reader.ask().status_code for _ in range(times)]


@pytest.mark.parametrize("deed", ["end", "reset"])
def test_a_kept_connection_that_ends_before_an_answer_is_asked_again(deed: str) -> None:
    with server(["answer", deed], ["answer"]) as url:
        assert ask(url, 2) == [200, 200]


@pytest.mark.parametrize("deed", ["end", "reset"])
def test_a_new_connection_that_ends_before_an_answer_is_not(deed: str) -> None:
    with server([deed], ["answer"]) as url, pytest.raises(httpx.HTTPError):
        ask(url, 1)


def test_an_answer_that_breaks_off_is_not() -> None:
    with server(["answer", "cut off"], ["answer"]) as url, pytest.raises(httpx.HTTPError):
        ask(url, 2)


def test_it_asks_again_only_once() -> None:
    with server(["answer", "end"], ["end"], ["answer"]) as url, pytest.raises(httpx.HTTPError):
        ask(url, 2)
