"""Many, slow and greedy clients, and a consumer far behind."""

import asyncio
import json
import resource
import subprocess
import time
import typing

from conftest import Company, eventually

from sandbox.state import resource_id

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


def stalled_bodies(w: "World", n: int = 32, seconds: float = 15) -> "Seen":
    """Bodies of one address that are announced and do not come, as many again as are ended; webhooks are answered as if there were none."""
    ingress = w.cluster.one("callrail-ingress")
    watch = Watch(ingress)
    former, w.load.rate = w.load.rate, 200
    begun = [HEAD.replace(b"1000", b"2097152") + b"\r\n{", HEAD.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked") + b"\r\n1\r\n"]
    ends: list[bytes] = []

    async def stall(first: bytes, until: float) -> None:
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
            writer.write(first)
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    ends.append((await reader.readline())[9:12])
            except (TimeoutError, OSError):
                pass
            writer.transport.abort()

    async def stand() -> None:
        await asyncio.gather(*(stall(begun[i % 2], time.monotonic() + seconds) for i in range(n)))

    def waited(since: float) -> list[float]:
        return sorted(s.seconds for s in w.load.during(since, time.time() - 0.2) if s.status // 100 == 2)

    before = time.time()
    time.sleep(seconds)
    alone = waited(before)
    since = time.time()
    asyncio.run(stand())
    w.load.rate = former
    taken = w.all_taken(since)
    beside = waited(since)
    p99 = beside[int(len(beside) * 0.99)]
    assert set(ends) == {b"408"}, f"stalled bodies ended with {set(ends)}"
    assert p99 < 0.1 * w.slack, f"webhooks waited {p99 * 1000:.0f} ms (p99) beside {n} stalled bodies"
    return {"stalled bodies": n, "ended": len(ends), "webhooks": len(beside), "p99": f"{p99 * 1000:.0f} ms", "p99 without them": f"{alone[int(len(alone) * 0.99)] * 1000:.0f} ms"} | watch.bounded(50) | taken


def deaf_readers(w: "World", n: int = 20, seconds: float = 8) -> "Seen":
    """Readers of the largest page that there is, who do not read it."""
    c = w.cluster
    company = Company(c)
    flood(w, company, 11, 250, 250)
    eventually(lambda: c.sql("SELECT count(*) FROM calls WHERE company_id = %s", company.id)[0][0] >= 200, what="the calls of the page")
    fat = "repeat('x', 64000)"
    c.sql(f"UPDATE calls SET note = {fat}, source = {fat}, campaign = {fat}, keywords = {fat} WHERE company_id = %s", company.id)
    size = len(c.get("/api/v1/calls", company.manager, limit=200).content)
    query = c.one("query-service")
    watch = Watch(query)
    ask = f"GET /api/v1/calls?limit=200 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {company.manager}\r\n\r\n".encode()

    async def sit() -> None:
        pairs = []
        for _ in range(n):
            _, writer = await asyncio.open_connection("127.0.0.1", query.port)
            writer.transport.pause_reading()
            writer.write(ask)
            pairs.append(writer)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            watch.look()
            await asyncio.sleep(0.1)
        for writer in pairs:
            writer.transport.abort()

    since = time.time()
    asyncio.run(sit())
    return {"readers": n, "page": f"{size / 1e6:.1f} MB"} | watch.bounded(64) | w.all_taken(since)


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


# ---- a consumer far behind, and a greedy company


def behind(w: "World", company: Company, calls: int, first: int) -> tuple[float, float, float]:
    """lead-pipeline is away while three reports of each call come; then it catches up, alone as on the bench. Events a second, its memory at the start and at most, in MiB."""
    c = w.cluster
    program = c.binaries / "bench-backlog"
    if not program.exists():
        raise NotRun(f"{program.name} is not built")
    c.stop(c.one("lead-pipeline"))
    done = subprocess.run([program, "--brokers", c.brokers, "--topic", "otto.routed", "--company", f"{company.id},{company.number},{company.key}", "--seed", "7", "--calls", str(calls), "--numbers", "20000",
                           "--first-call", str(first), "--start-us", str(int(time.time() * 1e6)), "--recorded", "0"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{program.name}: {done.stdout}{done.stderr}")
    consumer = c.restart("lead-pipeline")
    before, begun, most = c.rows_applied(), time.monotonic(), consumer.rss_mb()
    small = most
    while True:
        time.sleep(0.5)
        most = max(most, consumer.rss_mb())
        applied = c.rows_applied() - before
        if applied >= calls * 3:
            return applied / (time.monotonic() - begun), small, most
        assert time.monotonic() - begun < 600, f"only {applied} of {calls * 3} events in 600 s"


def far_behind(w: "World", small_calls: int = 33_334, calls: int = 333_334) -> "Seen":
    """10⁶ events behind: memory bounded, at 80 % or more of the rate of a small backlog. Who consumes what lead-pipeline says is then as far behind: his memory is bounded too."""
    c = w.cluster
    others = ("tenant-router", "shunya-orchestrator", "appointment-service")
    w.load.rate, former = 20, w.load.rate
    company = Company(c)
    for name in others:
        c.stop(c.one(name))
    rate, _, _ = behind(w, company, small_calls, 0)
    large, small, most = behind(w, company, calls, 100_000)
    watches = [Watch(c.restart(name)) for name in others]
    begun = time.monotonic()

    while sum(c.standing().values()) > 200:  # what comes meanwhile
        assert time.monotonic() - begun < 300, "the others are not level after 300 s"
        for _ in range(10):  # asking how it stands costs a core for a second
            time.sleep(0.5)
            for watch in watches:
                watch.look()
    w.load.rate = former
    seen: "Seen" = {"events": calls * 3, "events/s": f"{large:.0f} (a backlog of {small_calls * 3}: {rate:.0f})", "memory": f"{small:.0f} MiB, at most {most:.0f}",
                    "the others were level after": f"{time.monotonic() - begun:.0f} s"}
    assert most - small <= 200, f"memory grew from {small:.0f} to {most:.0f} MiB"
    for watch in watches:
        seen[f"memory of {watch.instance.name}"] = f"{watch.before[0]:.0f} MiB, at most {watch.most[0]:.0f}"
        assert watch.most[0] - watch.before[0] <= 200, f"{watch.instance.name}: memory grew from {watch.before[0]:.0f} to {watch.most[0]:.0f} MiB"
    assert large >= 0.8 * rate, f"{large:.0f} events/s where a small backlog gives {rate:.0f}"
    return seen


def flood(w: "World", company: Company, seed: int, count: int, rate: float) -> dict[str, typing.Any]:
    """So many webhooks of this company, each of a call of its own; what the sender says. It ends ten seconds after the last was due, sent or not."""
    c = w.cluster
    make, send = c.binaries / "bench-make-webhooks", c.binaries / "bench-open-loop"
    if not make.exists() or not send.exists():
        raise NotRun("the programs of tests/bench are not built")
    requests = c.folder / f"flood-{seed}"
    subprocess.run([make, "--seed", str(seed), "--first", str(seed * 1_000_000), "--count", str(count), "--start-us", str(int(time.time() * 1e6)), "--out", requests, "--company",
                    f"{company.id},{company.number},{company.key}"], check=True, capture_output=True)
    done = subprocess.run([send, "--port", str(c.one("callrail-ingress").port), "--requests", requests, "--rate", f"{rate:.0f}", "--seconds", f"{count / rate:.0f}", "--connections", "128"], capture_output=True, text=True,
                          timeout=count / rate + 120)
    requests.unlink()
    if done.returncode != 0:
        raise AssertionError(f"bench-open-loop: {done.stdout}{done.stderr}")
    return typing.cast(dict[str, typing.Any], json.loads(done.stdout))


def capacity(w: "World", company: Company, count: int = 24_000) -> float:
    """Webhooks a second, from the ingress to lead-pipeline's rows, with all services at work: of those that were taken, for a slow machine's sender does not get all of them sent."""
    calls = lambda: int(w.cluster.sql("SELECT count(*) FROM calls WHERE company_id = %s", company.id)[0][0])  # noqa: E731
    begun = time.monotonic()
    said = flood(w, company, 8, count, 4_000)
    taken = said["requests"] - said["not_2xx"]
    assert taken >= count / 2, f"only {taken} of {count} webhooks were taken within {said['seconds']:.0f} s"
    while calls() < taken:
        assert time.monotonic() - begun < 180, f"only {calls()} of {taken} calls after 180 s"
        time.sleep(0.3)
    return float(taken / (time.monotonic() - begun))


def greedy_company(w: "World", seconds: float = 30) -> "Seen":
    """One company sends 50 times what all others do, together 60 % of what the stack as a whole was measured to take of such webhooks just before; the others wait less than 2 s."""
    c = w.cluster
    former, w.load.rate = w.load.rate, 20
    greedy = Company(c)
    most = capacity(w, greedy)
    total = 0.6 * most
    w.load.rate = max(total / 51, 20)
    eventually(lambda: sum(c.standing().values()) < 200, within=120, what="the end of what was sent to measure")
    since = time.time()
    said = flood(w, greedy, 9, int(total * 50 / 51 * seconds), total * 50 / 51)
    until = time.time()
    w.load.rate = former
    time.sleep(3)
    calls = [x for x in w.load.calls if x.kind == "good" and x.taken and x.company and since < min(s.at for h in x.webhooks for s in h.sends) < until - 1]
    made = {(company, str(n)): at.timestamp() for company, n, at in c.sql("SELECT company_id, provider_call_id, created_at FROM calls WHERE company_id = ANY(%s) AND created_at > now() - interval '5 minutes'",
                                                                         [x.id for x in w.load.companies])}
    waited = sorted(made.get((x.company.id, resource_id("CAL", x.id)), until + 60) - min(s.at for h in x.webhooks for s in h.sends if s.status // 100 == 2) for x in calls if x.company)
    assert waited, "nobody else called"
    p99 = waited[int(len(waited) * 0.99)]
    assert p99 < 2, f"the others' calls were there only after {p99:.2f} s (p99), with {total:.0f} webhooks/s where {most:.0f} had been taken"
    return {"taken at most": f"{most:.0f}/s", "of the greedy one": f"{total * 50 / 51:.0f}/s", "calls of others": len(waited), "p99 until there": f"{p99:.2f} s", "sender": said}


def allow_descriptors(n: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        if hard != resource.RLIM_INFINITY and hard < n:
            raise NotRun(f"this machine allows a process {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))


CLIENTS: list[tuple[str, typing.Callable[["World"], "Seen"]]] = [
    ("1,000 idle connections", idle_connections),
    ("200 slow senders", slow_senders),
    ("32 stalled bodies beside 200 webhooks a second", stalled_bodies),
    ("20 readers of the largest page that do not read", deaf_readers),
    ("100,000 connections opened and closed", many_connections),
]
GREEDY: list[tuple[str, typing.Callable[["World"], "Seen"]]] = [("one company sends 50 times the rest", greedy_company)]
BACKLOG: list[tuple[str, typing.Callable[["World"], "Seen"]]] = [
    ("lead-pipeline 1,000,000 events behind", far_behind),
]
