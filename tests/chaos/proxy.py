"""A TCP proxy whose connections can be stalled, reset and pointed elsewhere while they are in use."""

import asyncio
import contextlib
import socket
import struct
import threading
import typing

T = typing.TypeVar("T")


class Proxy:
    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.writers: set[asyncio.StreamWriter] = set()
        self.refusing = False
        self.loop = asyncio.new_event_loop()
        self.up = threading.Event()
        self.wanted = port
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.up.wait(10), "the proxy did not start"

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.open = asyncio.Event()
        self.open.set()
        self.server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.wanted))
        self.port = int(self.server.sockets[0].getsockname()[1])
        self.up.set()
        self.loop.run_forever()

    def _in_loop(self, f: typing.Callable[[], T]) -> T:
        async def call() -> T:
            return f()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            abort(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            abort(writer)
            return
        self.writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self.writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ConnectionError):
            while data := await reader.read(1 << 16):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    # -- faults

    def stall(self) -> None:
        """Connections stay, nothing passes."""
        self._in_loop(self.open.clear)

    def flow(self) -> None:
        self._in_loop(self.open.set)

    def reset(self) -> None:
        """Every connection ends with RST, whatever was under way."""
        self._in_loop(lambda: [abort(w) for w in list(self.writers)] and None)

    def refuse(self, yes: bool) -> None:
        self.refusing = yes

    def point_at(self, target: int) -> None:
        """New connections lead there; the present ones are reset."""
        self.target = target
        self.reset()

    def close(self) -> None:
        self.refuse(True)
        self.reset()
        self._in_loop(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)


def abort(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
