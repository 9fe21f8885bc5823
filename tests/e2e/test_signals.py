"""What Otto says of itself while it works: a journey's steps at a collector of traces, and what providers are asked by several processes together."""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time
import typing
import uuid

import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from conftest import REPO, Company, Stack, eventually, free_port, started

CALLRAIL, SHUNYA, SWEEPS = 12, 20, 3  # requests an hour for recordings, a minute, an hour for sweeps


def strictly(body: bytes) -> ExportTraceServiceRequest:
    """As Protobuf's own JSON reads it: an unknown field or a wrong type is an error. Ids are hexadecimal in OTLP, and base64 there."""
    document = json.loads(body)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in {"traceId", "spanId", "parentSpanId"} & set(span):
                    assert span[name] == span[name].lower()
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.ParseDict(document, ExportTraceServiceRequest())


class Collector:
    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []  # with its service
        self.bodies: list[str] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/json")
                    for resource in strictly(body).resource_spans:
                        service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
                        collector.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
                    status = 200
                except Exception as e:  # noqa: BLE001 - whatever it is, the test is to see it
                    collector.bodies.append(f"REFUSED: {e!r}")
                    status = 400
                collector.bodies.append(body.decode())
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: typing.Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, trace: bytes) -> list[tuple[str, Span]]:
        return [(service, span) for service, span in list(self.spans) if span.trace_id == trace]


@pytest.fixture(scope="module")
def collector() -> typing.Iterator[Collector]:
    it = Collector()
    yield it
    it.server.shutdown()


@pytest.fixture(scope="module")
def watched(collector: Collector) -> typing.Iterator[Stack]:
    yield from started(OTTO_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}", OTTO_TRACE_SAMPLE="1", OTTO_CALLRAIL_BUDGET=str(CALLRAIL), OTTO_SHUNYA_BUDGET=str(SHUNYA),
                       OTTO_SWEEP_REQUESTS=str(SWEEPS), OTTO_SWEEP_EVERY="1s",
                       OTTO_LANES="1", OTTO_ACTIVITIES="4")  # of a database that three processes more share


class Connected(Company):
    """A company whose account at CallRail is registered and connected."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.account = f"ACC{uuid.uuid4().hex}"
        key = f"api key {uuid.uuid4()}"
        body = {"account_id": self.account, "api_key": key, "signing_key": self.key, "numbers": [self.number]}
        httpx.post(stack.sandbox + "/sandbox/callrail/accounts", json=body).raise_for_status()
        self.post(f"/api/v1/company/set-callrail-api-key/{self.id}", params={"api_key": key})
        self.post(f"/api/v1/company/set-callrail-account-id/{self.id}", params={"account_id": self.account})


def test_a_webhook_is_one_trace_from_its_receipt_to_what_the_outside_is_asked(watched, collector):
    company = Company(watched)
    placed = company.call(events=["completed"])
    company.call_in_state(placed, "done")

    def chain() -> list[str] | None:
        """The names of the steps that lead to a request to Shunya, from the webhook on; None while some of them are not told yet."""
        for _, asked in list(collector.spans):
            if asked.name != "POST shunya":
                continue
            steps = {span.span_id: (service, span) for service, span in collector.of(asked.trace_id)}
            names, at = [], asked.span_id
            while at in steps:
                service, span = steps[at]
                names.insert(0, f"{service}: {span.name}")
                at = span.parent_span_id
            if "callrail" in names[0]:
                return names
        return None

    names = eventually(chain, what="a trace of a webhook that reaches Shunya")
    program = names[0].partition(":")[0]  # the server is the process's, whatever serves behind it
    assert names == [
        f"{program}: POST /api/v1/callrail/call.completed",
        "callrail-ingress: webhook callrail",
        "tenant-router: route otto.inbound.v1.ProviderEvent",
        "lead-pipeline: batch otto.routed.v1.CallReported",
        "shunya-orchestrator: batch otto.calls.v1.CallRecorded",
        "shunya-orchestrator: POST shunya",
    ], names
    # The recording was asked for in the same trace, and requests of people are traces of their own.
    trace = next(span.trace_id for _, span in collector.spans if span.name == "POST shunya")
    assert any(span.kind == Span.SPAN_KIND_CLIENT and "recording" in span.name for _, span in collector.of(trace)), [s.name for _, s in collector.of(trace)]
    assert any(span.name == "GET /api/v1/calls/{call_id}" and not span.parent_span_id for _, span in collector.spans)

    for service, span in list(collector.spans):
        assert len(span.trace_id) == 16 and len(span.span_id) == 8 and span.end_time_unix_nano >= span.start_time_unix_nano > 0, (service, span)
    assert not [span for _, span in collector.spans if span.name.endswith("otlp")]  # what is told is not told of
    everything = "\n".join(collector.bodies)
    assert "REFUSED" not in everything, everything[:3000]
    for secret in (company.id, company.number, placed["from"], company.key, company.user, watched.maintenance_url()):
        assert secret not in everything and secret.removeprefix("+") not in everything, secret


def test_what_fails_is_told_as_an_error(watched, collector):
    company = Company(watched)
    httpx.post(watched.sandbox + "/sandbox/faults", json={"provider": "shunya", "path": "/transcri", "status": 503, "times": 1}).raise_for_status()
    company.call_in_state(company.call(), "done")
    failed = eventually(lambda: [span for _, span in list(collector.spans) if span.status.code == Status.STATUS_CODE_ERROR and span.name.endswith(" shunya")], what="a failed step")
    assert {a.key: a.value.int_value for a in failed[0].attributes}["http.response.status_code"] == 503


def test_the_metrics_of_a_call_are_there(watched):
    company = Company(watched)
    company.call_in_state(company.call(shunya={"outcome": "booked"}), "done")

    def seen() -> str:
        return httpx.get(watched.admin + "/metrics").text

    def value(name: str) -> float:
        return sum(float(line.rsplit(" ", 1)[1]) for line in seen().splitlines() if line.startswith(name))

    for stage in ("recorded", "transcribed", "analysed", "booked"):
        eventually(lambda stage=stage: value(f'otto_call_journey_seconds_count{{stage="{stage}"}}') >= 1, what=f"a call that is {stage}")
        assert f'otto_call_journey_seconds_bucket{{stage="{stage}",le="180"}}' in seen() and f'otto_call_journey_seconds_bucket{{stage="{stage}",le="86400"}}' in seen()
    for name in ('otto_recordings_total{outcome="stored"}', 'otto_jobs_total{outcome="succeeded",step="transcription"}', 'otto_jobs_total{outcome="succeeded",step="analysis"}'):
        assert value(name) >= 1, name
    for name in ("otto_spool_limit_bytes", "otto_spool_bytes", "otto_spool_oldest_seconds", 'otto_pg_pool{state="used"}', 'otto_pg_pool{state="idle"}', "otto_pg_errors_total",
                 "otto_trace_spans_total", 'otto_budget_left{provider="shunya",service="shunya-orchestrator"}'):
        eventually(lambda name=name: name in seen(), what=name)
    assert company.id not in seen()


@contextlib.contextmanager
def another(stack: Stack, service: str) -> typing.Iterator[str]:
    """One more process of a service beside those of the stack; its admin address."""
    settings = dict(line.split("=", 1) for line in stack.run("deploy/env", "--secrets").stdout.splitlines() if line.startswith("OTTO_"))
    admin = free_port()
    env = {"PATH": os.environ["PATH"], **settings, "OTTO_PORT": str(free_port()), "OTTO_ADMIN_PORT": str(admin)}
    binary = pathlib.Path(stack.env.get("OTTO_BIN", REPO / ".build/release/bin")) / service
    with (stack.folder / "logs" / f"another-{service}.log").open("ab") as log, subprocess.Popen([binary], env=env, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{admin}"
            eventually(lambda: process.poll() is not None or answers(url), what=f"another {service}")
            assert process.poll() is None, (stack.folder / "logs" / f"another-{service}.log").read_text()[-2000:]
            yield url
        finally:
            process.terminate()


def answers(admin: str) -> bool:
    try:
        return httpx.get(admin + "/readyz").status_code == 200
    except httpx.TransportError:
        return False


def requests_to(stack: Stack, provider: str, path: str) -> list[dict[str, typing.Any]]:
    return list(httpx.get(stack.sandbox + "/sandbox/requests", params={"provider": provider, "path": path}, timeout=60).json())


def test_two_processes_ask_a_provider_no_more_often_than_one_may(watched):
    with another(watched, "shunya-orchestrator") as orchestrator, another(watched, "company-service"):
        began = time.monotonic()
        company = Connected(watched)
        for _ in range(3 * CALLRAIL):
            company.call(events=["completed"])
        waits = "SELECT count(*) FROM recordings WHERE company_id = %s AND status = 'pending' AND error LIKE 'waits its turn%%'"
        stored = "SELECT count(*) FROM recordings WHERE company_id = %s AND status = 'stored'"
        eventually(lambda: watched.sql(waits, company.id)[0][0] == 2 * CALLRAIL, within=60, what="recordings that wait their turn")
        # An hour's worth was asked for, by both together, and no more: a minute later a fifth of a request more would be granted.
        assert time.monotonic() - began < 3_600 / CALLRAIL
        assert watched.sql(stored, company.id)[0][0] == CALLRAIL
        assert len(requests_to(watched, "callrail", f"/a/{company.account}/calls/")) == CALLRAIL
        theirs = httpx.get(orchestrator + "/metrics").text
        assert 'otto_recordings_total{outcome="stored"} 0' not in theirs, "the other process did nothing"
        eventually(lambda: any(line.startswith('otto_budget_left{provider="callrail"') and float(line.rsplit(" ", 1)[1]) < 0.05
                               for url in (watched.admin, orchestrator) for line in httpx.get(url + "/metrics").text.splitlines()), what="what is left of the budget")

        # Shunya's is of a minute, and goes on filling: all that was asked since the company began is at most a minute's worth at once and what has come since, and the slice of each process.
        eventually(lambda: watched.sql("SELECT count(*) FROM shunya_jobs WHERE company_id = %s AND error_message LIKE 'waits its turn%%'", company.id)[0][0] > 0, within=60, what="jobs that wait their turn")
        asked = [r for r in requests_to(watched, "shunya", "") if r["headers"].get("x-company-id") == company.id]
        most = SHUNYA * (1 + (time.monotonic() - began) / 60) + 2
        assert SHUNYA <= len(asked) <= most, (len(asked), most)

        # Sweeps, which both processes of company-service plan each second: an hour's worth, counted in its row.
        hour = time.time() // 3_600
        swept = "SELECT error FROM callrail_sweeps WHERE company_id = %s"
        eventually(lambda: "OTTO_SWEEP_REQUESTS" in (watched.sql(swept, company.id) or [("",)])[0][0], within=60, what="a sweep that has used up its hour")
        listed = requests_to(watched, "callrail", f"/a/{company.account}/calls.json")
        assert 0 < len(listed) <= SWEEPS * (1 + int(time.time() // 3_600 - hour)), len(listed)
