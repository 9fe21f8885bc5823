"""What the sandbox's tests share: the sandbox as a process, and an Otto that notes what it is sent and hands out recordings."""

import contextlib
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import typing

import httpx
import pytest

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"
SAMPLE = (VECTORS / "callrail_post_call.json").read_bytes()
API_KEY = {"Authorization": 'Token token="any key"'}
SECRET_KEY = {"Authorization": "Bearer sk_test"}


@contextlib.contextmanager
def running(folder: pathlib.Path, port: int = 0) -> typing.Iterator[httpx.Client]:
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--state-dir", str(folder)]
    with subprocess.Popen(command, cwd=pathlib.Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().removeprefix("sandbox: ").removesuffix("/sandbox\n")
            with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
                yield client
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[httpx.Client]:
    with running(tmp_path_factory.mktemp("state")) as client:
        yield client


@pytest.fixture
def sandbox(shared: httpx.Client) -> httpx.Client:
    shared.delete("/sandbox/faults")
    shared.delete("/sandbox/requests")
    return shared


class Otto:
    """Notes the webhooks that it gets, and serves the sounds in `media` by their paths."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.arrived = threading.Condition()
        self.status, self.statuses = 200, list[int]()  # of the answers; of the next ones
        self.media: dict[str, tuple[int, str, bytes]] = {}
        self.documents: dict[str, tuple[str, str | bytes]] = {}  # the answer to a POST by its path without the query: its type, its body
        noted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with noted.arrived:
                    noted.seen.append((self.path, self.headers["Signature"], body))
                    noted.headers.append(dict(self.headers))
                    noted.arrived.notify_all()
                    status = noted.statuses.pop(0) if noted.statuses else noted.status
                media_type, document = noted.documents.get(self.path.partition("?")[0], ("", b'{"success":true}'))
                self.send_response(status)
                if media_type:
                    self.send_header("Content-Type", media_type)
                self.end_headers()
                self.wfile.write(document.encode() if isinstance(document, str) else document)

            def do_GET(self) -> None:
                status, media_type, body = noted.media.get(self.path, (404, "text/plain", b""))
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def results(self, count: int) -> list[dict[str, typing.Any]]:
        """So many result webhooks, as soon as they are there."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.seen) >= count, 60), f"{len(self.seen)} of {count} webhooks came"
        return self.bodies()

    def paths(self) -> list[str]:
        return [path.removeprefix("/api/v1/callrail/") for path, _, _ in self.seen]

    def bodies(self) -> list[dict[str, typing.Any]]:
        return [json.loads(body) for _, _, body in self.seen]


@pytest.fixture
def otto() -> typing.Iterator[Otto]:
    made = Otto()
    yield made
    made.server.shutdown()
    made.server.server_close()


def place(sandbox: httpx.Client, otto: Otto, **more: typing.Any) -> dict[str, typing.Any]:
    answer = sandbox.post("/sandbox/callrail/place-call", json={"to": "+14045550100", "from": "+12148654559", "otto_url": otto.url, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
