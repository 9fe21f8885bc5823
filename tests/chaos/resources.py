"""Many, slow and greedy clients, and a consumer far behind."""

import asyncio
import functools
import resource
import subprocess
import time
import typing

from conftest import REPO, Company, eventually

from .cluster import Instance, NotRun

if typing.TYPE_CHECKING:
    from .faults import Seen, World

HEAD = b"POST /api/v1/callrail/call.completed HTTP/1.1\r\nHost: otto.example\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


class Watch:
    """Memory and descriptors of a process before, at most and after."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.before = (instance.rss_mb(), instance.descriptors())
        self.most = self.before

    def look(self) -> None:
        self.most = (max(self.most[0], self.instance.rss_mb()), max(self.most[1], self.instance.descriptors()))

    def bounded(self, mib: float) -> "Seen":
        """At most `mib` MiB more at any time, and every descriptor given back."""
        self.look()
        grown = self.most[0] - self.before[0]
        assert grown <= mib, f"memory grew by {grown:.0f} MiB"
        eventually(lambda: self.instance.descriptors() <= self.before[1] + 60, within=100, what=f"descriptors as before ({self.before[1]})")
        return {"memory": f"{self.before[0]:.0f} MiB, at most {self.most[0]:.0f}", "descriptors": f"{self.before[1]}, at most {self.most[1]}, then {self.instance.descriptors()}"}


async def opened(port: int, n: int, first: bytes = b"") -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    out = []
    for _ in range(n):
        pair = await asyncio.open_connection("127.0.0.1", port)
        if first:
            pair[1].write(first)
        out.append(pair)
    return out


def idle_connections(w: "World", n: int = 1_000) -> "Seen":
    """Connections that never say anything; webhooks go on beside them."""
    allow_descriptors(n + 500)
    ingress = w.cluster.one("callrail-ingress")
    watch = Watch(ingress)

    async def sit() -> int:
        pairs = await opened(ingress.port, n)
        await asyncio.sleep(5)
        watch.look()
        for _, writer in pairs:
            writer.close()
        return len(pairs)

    since = time.time()
    connected = asyncio.run(sit())
    return {"connections": connected} | watch.bounded(100) | w.all_taken(since)


def slow_senders(w: "World", n: int = 200) -> "Seen":
    """Clients that send a byte a second; each is ended by the time limit of a head or a body."""
    allow_descriptors(n + 500)
    ingress = w.cluster.one("callrail-ingress")
    watch = Watch(ingress)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> float:
        begun = time.monotonic()
        try:
            for byte in text:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
                if reader.at_eof():
                    break
        except OSError:
            pass
        finally:
            writer.close()
        return time.monotonic() - begun

    async def send() -> list[float]:
        heads = await opened(ingress.port, n // 2)
        bodies = await opened(ingress.port, n - n // 2, HEAD + b"\r\n{")
        return list(await asyncio.gather(*(drip(*p, HEAD) for p in heads), *(drip(*p, b" " * 60) for p in bodies)))

    since = time.time()
    lasted = asyncio.run(send())
    assert max(lasted) < 45, f"a slow sender was borne for {max(lasted):.0f} s"
    return {"slow senders": len(lasted), "borne for at most": f"{max(lasted):.0f} s"} | watch.bounded(100) | w.all_taken(since)


def many_connections(w: "World", n: int = 100_000) -> "Seen":
    """Connections opened and closed, one after another, with and without a word."""
    ingress = w.cluster.one("callrail-ingress")
    watch = Watch(ingress)

    async def storm() -> int:
        done = 0

        async def some(share: int) -> None:
            nonlocal done
            for i in range(share):
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
                except OSError:
                    await asyncio.sleep(0.1)
                    continue
                if i % 3 == 1:
                    writer.write(HEAD)  # and no more
                writer.transport.abort() if i % 3 else writer.close()
                done += 1

        tasks = [asyncio.create_task(some(n // 50)) for _ in range(50)]
        while not all(t.done() for t in tasks):
            await asyncio.sleep(0.5)
            watch.look()
        await asyncio.gather(*tasks)
        return done

    since = time.time()
    connected = asyncio.run(storm())
    assert connected >= n * 0.99, f"only {connected} connections came about"
    return {"connections": connected} | watch.bounded(100) | w.all_taken(since)


def allow_descriptors(n: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        if hard != resource.RLIM_INFINITY and hard < n:
            raise NotRun(f"this machine allows a process {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))


FAULTS: list[tuple[str, typing.Callable[["World"], "Seen"]]] = [
    ("1,000 idle connections", idle_connections),
    ("200 slow senders", slow_senders),
    ("100,000 connections opened and closed", many_connections),
]
