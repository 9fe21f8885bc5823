"""What a test asks of Shunya's stand-in: settings, scripts, what became of calls, webhooks by hand."""

import json
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..commands import one_of, read_command, read_object, refuse, whole_number
from ..state import Json, State
from .errors import error_of
from .jobs import Call, Shunya
from .results import merged
from .scripts import BEHAVIOURS, OUTCOMES, STEPS, VARIANTS, behaviour_of, read_script
from .webhooks import envelope

HELP = """<dt>GET, POST, DELETE /sandbox/shunya/settings</dt>
<dd>otto_url (results go there; else to where the recording came from), token_secret, webhook_secret, signature (timestamp_dot_body, sorted_json, uwc), api_key, outcome (of calls without a script), delay_ms, retry_ms, resign.</dd>
<dt>GET, POST, DELETE /sandbox/shunya/scripts</dt>
<dd>Whose: call_id, callrail_call, customer, company, next = true, or none of them: every call. What: outcome (""" + ", ".join(OUTCOMES) + "), behaviour (" + ", ".join(BEHAVIOURS) + """), and more: see README.md.</dd>
<dt>GET, DELETE /sandbox/shunya/calls?company=&amp;call_id=&amp;callrail_call=</dt><dd>Each call with what its recording was, its jobs, their webhooks and the answers to them.</dd>
<dt>GET /sandbox/shunya/paid?company=&amp;call_id=</dt><dd>calls, transcription, analysis: accepted jobs; more_than_once: who paid twice, with the idempotency keys.</dd>
<dt>POST /sandbox/shunya/release</dt><dd>company?, call_id?: jobs that are stuck, late or delayed go on at once &rarr; released.</dd>
<dt>POST /sandbox/shunya/webhook</dt><dd>One signed webhook at once: company, call_id, step?, status?, task_id?, otto_url?, members of a script; or the whole body &rarr; status, body.</dd>
"""


async def read_settings(request: Request) -> Json:
    given = await read_command(request, set(), {"otto_url", "token_secret", "webhook_secret", "signature", "api_key", "outcome", "delay_ms", "retry_ms", "resign"})
    for name in ("token_secret", "webhook_secret"):
        if name in given:
            given[name] = [str(s) for s in given[name]] if isinstance(given[name], list) else str(given[name]).split(",")
            if not all(given[name]):
                refuse(f"{name} must be a secret or a list of them, newest first")
    if "signature" in given:
        one_of(given, "signature", VARIANTS)
    if "outcome" in given:
        one_of(given, "outcome", OUTCOMES)
    if "otto_url" in given and not re.match(r"https?://[^/]", str(given["otto_url"])):
        refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080")
    for name, least in (("delay_ms", 0), ("retry_ms", 1)):
        if name in given:
            given[name] = whole_number(given, name, 0, least)
    if not isinstance(given.get("resign", True), bool):
        refuse("resign must be true or false")
    return given


def routes(state: State, shunya: Shunya) -> list[Route]:
    async def settings(request: Request) -> Response:
        if request.method == "POST":
            given = await read_settings(request)
            with state.lock:
                state.data["shunya"] = {**state.data.get("shunya", {}), **given}
                state.save()
        elif request.method == "DELETE":
            with state.lock:
                state.data.pop("shunya", None)
                state.save()
        return JSONResponse(shunya.settings())

    async def scripts(request: Request) -> Response:
        if request.method == "POST":
            shunya.scripts.add(read_script(await read_object(request)))
        elif request.method == "DELETE":
            shunya.scripts.clear()
            for call in shunya.calls.values():
                call.next_script = None
        return JSONResponse(shunya.scripts.shown())

    def asked_for(request: Request) -> list[Call]:
        query = request.query_params
        found = list(shunya.calls.values())
        if "company" in query:
            found = [c for c in found if c.company == query["company"]]
        if "call_id" in query:
            found = [c for c in found if str(c.call_id) == query["call_id"]]
        if "callrail_call" in query:
            facts = state.find_call(query["callrail_call"])
            found = [c for c in found if c.callrail_call is not None and (str(c.callrail_call) == query["callrail_call"] or (facts is not None and facts["call"] == c.callrail_call))]
        return found

    def shown(call: Call) -> Json:
        facts = state.find_call(str(call.callrail_call)) if call.callrail_call is not None else None
        return {"company_id": call.company, "call_id": call.call_id, "callrail_call": call.callrail_call, "customer": facts["from"] if facts else None, "audio": call.audio,
                "paid": {step: sum(j.step == step for j in call.jobs) for step in STEPS},
                "jobs": [{"step": j.step, "task_id": j.task_id, "status": j.status, "idempotency_key": j.key, "target_role": j.role, "created_at": j.began, "done_at": j.done, "error": j.error,
                          "behaviour": behaviour_of(j.script, j.step), "outcome": j.script.get("outcome"), "webhooks": j.webhooks} for j in call.jobs]}

    async def calls(request: Request) -> Response:
        if request.method == "DELETE":
            shunya.stop()
            shunya.calls.clear()
            shunya.answers.clear()
        return JSONResponse([shown(c) for c in asked_for(request)])

    async def paid(request: Request) -> Response:
        """What Shunya would bill: accepted jobs, and the calls for which a step was paid more than once."""
        found = asked_for(request)
        counted = {step: sum(j.step == step for c in found for j in c.jobs) for step in STEPS}
        more = [{"company_id": c.company, "call_id": c.call_id, "step": step, "idempotency_keys": keys} for c in found for step in STEPS if len(keys := [j.key for j in c.jobs if j.step == step]) > 1]
        return JSONResponse({"calls": len(found), **counted, "more_than_once": more})

    async def release(request: Request) -> Response:
        """Those that wait (stuck, late, delayed) go on at once."""
        body = await read_command(request, set(), {"company", "call_id"})
        found = [j for c in shunya.calls.values() if body.get("company", c.company) == c.company and str(body.get("call_id", c.call_id)) == str(c.call_id) for j in c.jobs]
        waiting = [j for j in found if j.task is not None and not j.task.done()]
        for job in waiting:
            job.go.set()
        return JSONResponse({"released": len(waiting)})

    async def webhook(request: Request) -> Response:
        """One webhook at once, whatever it says: for what no job would send."""
        wanted = {name: value for name, value in (await read_object(request)).items() if value is not None}
        own = {name: wanted.pop(name) for name in ("otto_url", "body", "step", "status", "task_id") if name in wanted}
        script = read_script(wanted)
        step, status = one_of(own, "step", STEPS, "analysis"), one_of(own, "status", ("completed", "failed", "processing"), "completed")
        call = shunya.calls.get((script.get("company", ""), script.get("call_id", 0)))
        otto_url = str(own.get("otto_url") or shunya.otto_url(call))
        if not re.match(r"https?://[^/]", otto_url):
            refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080, here or by POST /sandbox/shunya/settings")
        task_id = str(own.get("task_id") or f"call_{script.get('call_id', 0)}_company_{script.get('company', '')}_{step}")
        if "body" in own:
            sent = own["body"].encode() if isinstance(own["body"], str) else json.dumps(own["body"]).encode()
        else:
            if "company" not in script or "call_id" not in script:
                refuse("company and call_id are needed, or the whole body")
            subject = call or Call(script["company"], script["call_id"])
            known = merged(shunya.script(subject), script)
            content = error_of(f"{step.upper()}_FAILED", "a failure that was asked for") if status == "failed" else shunya.content(subject, step, known)
            sent = json.dumps(envelope(known, step, status, script["company"], script["call_id"], task_id, content)).encode()
        return JSONResponse(await shunya.sender.post(otto_url, sent, script, task_id))

    return [
        Route("/sandbox/shunya/settings", settings, methods=["GET", "POST", "DELETE"]), Route("/sandbox/shunya/scripts", scripts, methods=["GET", "POST", "DELETE"]),
        Route("/sandbox/shunya/calls", calls, methods=["GET", "DELETE"]), Route("/sandbox/shunya/paid", paid), Route("/sandbox/shunya/release", release, methods=["POST"]),
        Route("/sandbox/shunya/webhook", webhook, methods=["POST"]),
    ]
