"""What a test asks of Clerk's stand-in: tokens, what people do at Clerk, webhooks."""

import json
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..commands import one_of, read_command, read_object, refuse, whole_number
from ..state import Json, State
from .directory import ROLES, Directory, email_address
from .ids import new_id, now_ms
from .tokens import KINDS, make_token, rotate
from .webhooks import NAMES, SIGNINGS, Webhooks, headers_of

HELP = """<dt>POST /sandbox/clerk/token</dt>
<dd>role (csr, sales_rep, manager, executive, operator), company?, user?, ttl_s = 3600, version = 2 (Clerk's claims, 1 or 2),
kind = good (or """ + ", ".join(kind for kind in KINDS if kind != "good") + """), joins = true &rarr; token, user_id, company_id. Registers the user and, unless joins is false, the membership.</dd>
<dt>POST /sandbox/clerk/rotate</dt><dd>keep = true: another key signs; keep: the former is still shown &rarr; kid, former.</dd>
<dt>GET, POST, DELETE /sandbox/clerk/settings</dt>
<dd>sends (true: what comes about is told by webhooks at once), otto_url, webhook_secret (whsec_&hellip;, or several: signed with each), retry_ms, roles (what the instance knows).</dd>
<dt>POST /sandbox/clerk/accept</dt><dd>invitation, user?, first_name?, last_name?: the invited person signs up and is a member &rarr; user_id.</dd>
<dt>POST /sandbox/clerk/member</dt><dd>company, user, role (any word; null: he is out), email?, first_name?, last_name?: what somebody does at Clerk's dashboard.</dd>
<dt>GET, DELETE /sandbox/clerk/events?company=&amp;user=&amp;type=</dt><dd>What came about, oldest first, each with its webhook's attempts.</dd>
<dt>POST /sandbox/clerk/deliver</dt><dd>company?, user?, type? (its beginning), svix_ids?, since?, seed? (shuffled), times = 1, side_by_side = 1: those events' webhooks once more &rarr; each one's status.</dd>
<dt>POST /sandbox/clerk/webhook</dt><dd>One webhook at once: type and data, or body; svix_id?, at?, secret?, otto_url?, names = svix (or webhook), signing = good (or """ + ", ".join(s for s in SIGNINGS if s != "good") + """) &rarr; status, body.</dd>
"""


async def read_settings(request: Request) -> Json:
    given = await read_command(request, set(), {"sends", "otto_url", "webhook_secret", "retry_ms", "roles"})
    if "sends" in given and not isinstance(given["sends"], bool):
        refuse("sends must be true or false")
    if "otto_url" in given and not re.match(r"https?://[^/]", str(given["otto_url"])):
        refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080")
    if "webhook_secret" in given:
        given["webhook_secret"] = given["webhook_secret"] if isinstance(given["webhook_secret"], list) else str(given["webhook_secret"]).split(",")
        if not given["webhook_secret"] or not all(re.fullmatch(r"whsec_[A-Za-z0-9+/]+=*", str(s)) for s in given["webhook_secret"]):
            refuse("webhook_secret must be whsec_ and base64, or a list of such, newest first")
    if "retry_ms" in given:
        given["retry_ms"] = whole_number(given, "retry_ms", 0, 1)
    if "roles" in given and not (isinstance(given["roles"], list) and all(isinstance(r, str) and r.startswith("org:") for r in given["roles"])):
        refuse("roles must be a list of keys such as org:admin")
    return given


def people_routes(state: State, directory: Directory) -> list[Route]:
    async def token(request: Request) -> Response:
        return JSONResponse(make_token(state, directory, await read_command(request, {"role"}, {"company", "user", "ttl_s", "version", "kind", "joins"})))

    async def rotated(request: Request) -> Response:
        return JSONResponse(rotate(state, bool((await read_command(request, set(), {"keep"})).get("keep", True))))

    async def accept(request: Request) -> Response:
        body = await read_command(request, {"invitation"}, {"user", "first_name", "last_name"})
        found = state.data["invitations"].get(body.pop("invitation"))
        if found is None or found["status"] != "pending":
            refuse("invitation: there is no pending one of this id")
        return JSONResponse({"user_id": directory.accept(found, body.pop("user", None), **body)["id"]})

    async def member(request: Request) -> Response:
        body = await read_object(request)
        if unknown := sorted(body.keys() - {"company", "user", "role", "email", "first_name", "last_name"}):
            refuse(f"{unknown[0]} is unknown here; known are company, user, role, email, first_name, last_name")
        if not all(isinstance(body.get(name), str) and body[name] for name in ("company", "user")):
            refuse("company and user are needed")
        company, user, role = body["company"], body["user"], body.get("role")
        given = {name: body[name] for name in ("first_name", "last_name") if name in body}
        if "email" in body:
            address = email_address(str(body["email"]))
            given.update(email_addresses=[address], primary_email_address_id=address["id"])
        with state.lock:
            if user not in state.data["users"]:
                directory.user(user, **given)
            elif given:
                directory.change_user(state.data["users"][user], **given)
            if company not in state.data["organizations"]:
                directory.organization(company, None, company)
            found = directory.membership(user, company)
            if "role" in body and role is None and found:
                directory.leave(found)
            elif role is not None:
                directory.join(user, company, str(role))
        return JSONResponse({"user_id": user, "company_id": company})

    return [Route(f"/sandbox/clerk/{name}", handler, methods=["POST"]) for name, handler in (("token", token), ("rotate", rotated), ("accept", accept), ("member", member))]


def webhook_routes(state: State, webhooks: Webhooks) -> list[Route]:
    async def settings(request: Request) -> Response:
        if request.method != "GET":
            given = await read_settings(request) if request.method == "POST" else None
            with state.lock:
                state.data["clerk"] = {} if given is None else {**state.data.get("clerk", {}), **given}
                state.save()
        return JSONResponse({"roles": list(ROLES), **webhooks.settings()})

    async def events(request: Request) -> Response:
        query = request.query_params
        found = webhooks.found(query.get("company", ""), query.get("user", ""), query.get("type", ""))
        if request.method == "DELETE":
            webhooks.events.clear()
        return JSONResponse(found)

    async def deliver(request: Request) -> Response:
        body = await read_command(request, set(), {"company", "user", "type", "svix_ids", "since", "seed", "times", "side_by_side"})
        found = webhooks.found(str(body.get("company", "")), str(body.get("user", "")), str(body.get("type", "")), whole_number(body, "since", 0, 0))
        if "svix_ids" in body:
            found = [event for event in found if event["svix_id"] in body["svix_ids"]]
        seed, times, side_by_side = whole_number(body, "seed", 0) if "seed" in body else None, whole_number(body, "times", 1, 1), whole_number(body, "side_by_side", 1, 1)
        if not webhooks.settings()["otto_url"]:
            refuse("otto_url is not known: POST /sandbox/clerk/settings says it")
        return JSONResponse(await webhooks.deliver_all(found, seed, times, side_by_side))

    async def webhook(request: Request) -> Response:
        wanted = await read_command(request, set(), {"type", "data", "body", "svix_id", "at", "secret", "otto_url", "names", "signing"})
        if "body" not in wanted and not ("type" in wanted and "data" in wanted):
            refuse("type and data are needed, or the whole body")
        if not (wanted.get("otto_url") or webhooks.settings()["otto_url"]):
            refuse("otto_url must be Otto's public address, here or by POST /sandbox/clerk/settings")
        body = wanted["body"] if isinstance(wanted.get("body"), str) else json.dumps(
            wanted.get("body") or {"data": wanted["data"], "instance_id": "ins_sandbox", "object": "event", "timestamp": whole_number(wanted, "at", now_ms()), "type": wanted["type"]})
        secrets = [str(wanted["secret"])] if "secret" in wanted else webhooks.settings()["webhook_secret"]
        headers = headers_of(secrets, str(wanted.get("svix_id") or new_id("msg_")), body, one_of(wanted, "signing", SIGNINGS, "good"), one_of(wanted, "names", NAMES, "svix"))
        return JSONResponse(await webhooks.post(body, headers, wanted.get("otto_url")))

    return [Route("/sandbox/clerk/settings", settings, methods=["GET", "POST", "DELETE"]), Route("/sandbox/clerk/events", events, methods=["GET", "DELETE"]), Route("/sandbox/clerk/deliver", deliver, methods=["POST"]),
            Route("/sandbox/clerk/webhook", webhook, methods=["POST"])]


def routes(state: State, directory: Directory, webhooks: Webhooks) -> list[Route]:
    return [*people_routes(state, directory), *webhook_routes(state, webhooks)]
