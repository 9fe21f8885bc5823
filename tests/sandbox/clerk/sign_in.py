"""Sign-in with a click, where Clerk's hosted page would be: who may be signed in, a one-time code to take back, and a session that gives out tokens."""

import asyncio
import hashlib
import html
import os
import secrets
import time
import typing
import urllib.parse

import httpx
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..commands import read_command
from ..state import Json, State, trust
from .directory import Directory, email_address, email_of
from .tokens import CLERK_ROLES, claims_of, make_token, signed
from .webhooks import Webhooks

CODE_S = 60
TOKEN_S = 60
KEPT_SESSIONS = 1000
SHOWN = 200  # of memberships and of people without one: a bench makes thousands
COOKIE = "sandbox_session"
OTTO_ROLES = {clerk: otto for otto, clerk in CLERK_ROLES.items()}
# Who works at the company that a fresh stack is offered, by role.
COMPANY = {"name": "Desert Roofing", "address": "2100 E Speedway Blvd, Tucson, AZ 85719", "timezone": "America/Phoenix"}
PEOPLE = {"manager": ("Dana", "Ortiz"), "csr": ("Maria", "Lopez"), "sales_rep": ("Bob", "Stone"), "executive": ("Ann", "Lee")}
LABELS = {"csr": "CSR", "sales_rep": "Sales rep", "manager": "Manager", "executive": "Executive"}
NEWCOMER = "newcomer"  # somebody new, who has no company

STYLE = """:root{color-scheme:light dark;font:14px/20px system-ui,sans-serif}body{margin:0 auto;max-width:560px;padding:32px 16px}h1{font-size:24px;line-height:30px}h2{font-size:16px;margin:24px 0 8px}
ul{list-style:none;margin:0;padding:0}li{margin:8px 0}button{width:100%;min-height:44px;padding:8px 16px;text-align:left;font:inherit;border:1px solid #8887;border-radius:6px;background:transparent;cursor:pointer}
button:hover{border-color:currentColor}button:focus-visible{outline:2px solid #2457a6;outline-offset:2px}small{opacity:.8}"""
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in: sandbox</title><style>{style}</style></head>
<body><main><h1>Sign in</h1><p>This page stands in for Clerk&rsquo;s: no password, one click.</p>{body}</main></body></html>
"""


def origin_of(url: str) -> str:
    """Scheme, host and port; empty if it is no address of a page, or one that a reader could take for another."""
    if any(c in url for c in "\\@") or any(ord(c) <= 32 for c in url):
        return ""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port is not None else "")


def public_origin() -> str:
    return origin_of(os.environ.get("OTTO_PUBLIC_URL", ""))


def trusted(origin: str) -> bool:
    """Whether a page of that origin is Otto's: of this machine, or at its public address."""
    host = urllib.parse.urlsplit(origin)
    return bool(origin) and (origin == public_origin() or (host.scheme == "http" and host.hostname in ("127.0.0.1", "localhost")))


def with_code(url: str, code: str) -> str:
    parts = urllib.parse.urlsplit(url)
    kept = [(name, value) for name, value in urllib.parse.parse_qsl(parts.query, keep_blank_values=True) if name != "code"]
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode([*kept, ("code", code)])))


def role_of(membership: Json) -> str:
    role = str(membership["role"]).removeprefix("org:")
    return OTTO_ROLES.get(role, role)


def name_of(user: Json) -> str:
    return " ".join(part for part in (user["first_name"], user["last_name"]) if part) or email_of(user) or str(user["id"])


Handler = typing.Callable[[Request], typing.Awaitable[Response]]


def for_pages(handler: Handler) -> Handler:
    """What scripts of Otto's pages call, with the session's cookie; no other page's may."""

    async def guarded(request: Request) -> Response:
        origin = request.headers.get("origin", "")
        if origin and not trusted(origin_of(origin)):
            return JSONResponse({"error": f"a page of {origin} is none of Otto's: http://127.0.0.1, http://localhost, OTTO_PUBLIC_URL"}, 403)
        try:
            answer = Response(status_code=204) if request.method == "OPTIONS" else await handler(request)
        except HTTPException as error:
            answer = JSONResponse({"error": error.detail}, error.status_code)
        answer.headers["Vary"] = "Origin"
        answer.headers["Cache-Control"] = "no-store"
        if origin:
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            answer.headers.update({"Access-Control-Allow-Methods": "GET, POST, DELETE", "Access-Control-Allow-Headers": "content-type", "Access-Control-Max-Age": "600"})
        return answer

    return guarded


class Desk:
    """Codes last in memory, sessions on disk: a sandbox that starts anew signs nobody out."""

    def __init__(self, state: State, directory: Directory, webhooks: Webhooks) -> None:
        self.state, self.directory, self.webhooks = state, directory, webhooks
        self.codes: dict[str, tuple[float, str, str | None]] = {}  # until when, user, company
        self.founding = asyncio.Lock()
        state.data.setdefault("sessions", {})

    # -- codes and sessions

    def code(self, user: str, company: str | None) -> str:
        now, made = time.monotonic(), secrets.token_urlsafe(24)
        self.codes = {code: what for code, what in self.codes.items() if what[0] > now}
        self.codes[made] = (now + CODE_S, user, company)
        return made

    def redeem(self, code: str) -> str:
        """The new session's key; empty if the code is unknown, used or too old."""
        until, user, company = self.codes.pop(code, (0.0, "", None))
        if until <= time.monotonic() or user not in self.state.data["users"]:
            return ""
        key = secrets.token_urlsafe(32)
        with self.state.lock:
            sessions = self.state.data["sessions"]
            sessions[hashed(key)] = {"user": user, "active": company}
            for oldest in list(sessions)[:-KEPT_SESSIONS]:
                del sessions[oldest]
            self.state.save()
        return key

    def session(self, key: str) -> Json | None:
        found = self.state.data["sessions"].get(hashed(key))
        return typing.cast(Json, found) if found and found["user"] in self.state.data["users"] else None

    def drop(self, key: str) -> None:
        with self.state.lock:
            if self.state.data["sessions"].pop(hashed(key), None):
                self.state.save()

    def choose(self, session: Json, company: str | None) -> None:
        with self.state.lock:
            if session["active"] != company:
                session["active"] = company
                self.state.save()

    def shown(self, session: Json) -> Json:
        user = self.state.data["users"][session["user"]]
        mine = [m for m in self.state.data["memberships"] if m["user"] == user["id"]]
        companies = [{"id": m["organization"], "name": self.state.data["organizations"][m["organization"]]["name"], "role": role_of(m)} for m in mine]
        known = [c["id"] for c in companies]
        active = session["active"] if session["active"] in known else next(iter(known), None)
        return {"user": {"id": user["id"], "name": name_of(user), "email": email_of(user)}, "companies": companies, "active": active}

    def token(self, user: str, membership: Json | None) -> Json:
        company, role = (membership["organization"], str(membership["role"]).removeprefix("org:")) if membership else (None, "")
        return {"token": signed(self.state, "clerk", claims_of(self.state, user, company, role, False, 2, TOKEN_S), "good"), "expires_in": TOKEN_S}

    # -- the company that a fresh stack is offered

    async def found_company(self) -> dict[str, str]:
        """Its people by role, made by the first who asks; at Otto too where Otto's address is known."""
        async with self.founding:
            made = self.state.data.get("sign_in_company")
            if not made or made["company"] not in self.state.data["organizations"]:
                people = {role: self.person(role)["id"] for role in PEOPLE}
                made = {"company": await self.company_of(people["manager"]), "people": people}
                with self.state.lock:
                    for role, user in people.items():
                        self.directory.join(user, made["company"], f"org:{CLERK_ROLES[role]}")
                    self.state.data["sign_in_company"] = made
                    self.state.save()
                if self.webhooks.settings()["otto_url"]:  # its people at Otto, too, though nothing is sent by itself
                    await self.webhooks.deliver_all(self.webhooks.found(company=made["company"]), None, 1, 1)
            return {**made["people"], "": made["company"]}

    def person(self, role: str) -> Json:
        first, last = PEOPLE[role]
        address = email_address(f"{first.lower()}.{last.lower()}@desert-roofing.example")
        known = self.directory.user_by_email(address["email_address"])
        return known or self.directory.user(None, first_name=first, last_name=last, email_addresses=[address], primary_email_address_id=address["id"])

    async def company_of(self, manager: str) -> str:
        otto = self.webhooks.settings()["otto_url"].rstrip("/")
        if not otto:
            return str(self.directory.organization(COMPANY["name"], manager)["id"])
        token = make_token(self.state, self.directory, {"role": "manager", "user": manager, "ttl_s": TOKEN_S})["token"]
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=trust()) as client:
                answer = await client.post(otto + "/api/v1/company", json=COMPANY, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": f"sandbox-{manager}"})
            if answer.status_code != 200:
                raise HTTPException(502, f"Otto did not make the company ({answer.status_code}): {answer.text[:500]}")
            return str(answer.json()["company_id"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise HTTPException(502, f"Otto at {otto} did not make the company: {error!r}. Is it running (deploy/status)? Then click again.") from error


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


# -- the page

def page(body: str, status: int = 200) -> Response:
    # Chromium holds form-action against where the answer leads, too.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://127.0.0.1:* http://localhost:* {public_origin()}".rstrip()
    return HTMLResponse(PAGE.format(style=STYLE, body=body), status, {"Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def button(back: str, user: str, company: str, name: str, what: str) -> str:
    hidden = "".join(f'<input type="hidden" name="{field}" value="{html.escape(value)}">' for field, value in (("return", back), ("user", user), ("company", company)))
    return f'<li><form method="post" action="/sign-in">{hidden}<button><bdi>{html.escape(name)}</bdi><br><small>{html.escape(what)}</small></button></form></li>'


def group(title: str, buttons: list[str]) -> str:
    return f"<section><h2><bdi>{html.escape(title)}</bdi></h2><ul>{''.join(buttons)}</ul></section>" if buttons else ""


def directory_of(state: State, back: str) -> str:
    """A button for each membership, by company, the newest company first; then those who have none."""
    with state.lock:
        memberships, users, organizations = list(state.data["memberships"]), dict(state.data["users"]), dict(state.data["organizations"])
    by_company: dict[str, list[str]] = {}
    for m in memberships[-SHOWN:]:
        role = role_of(m)
        by_company.setdefault(m["organization"], []).append(button(back, m["user"], m["organization"], name_of(users[m["user"]]), f"{LABELS.get(role, role)}, {email_of(users[m['user']])}"))
    sections = [group(organizations[company]["name"], buttons) for company, buttons in reversed(by_company.items())]
    if not memberships:
        sections.append(group(COMPANY["name"], [button(back, "role:" + role, "", " ".join(PEOPLE[role]), f"{LABELS[role]}. The company is made with the first click.") for role in PEOPLE]))
    inside = {m["user"] for m in memberships}
    outside = [button(back, user["id"], "", name_of(user), email_of(user)) for user in list(users.values())[-SHOWN:] if user["id"] not in inside]
    outside.append(button(back, NEWCOMER, "", "Somebody new", "has no company yet"))
    if len(memberships) > SHOWN:
        sections.append(f"<p>The newest {SHOWN} of {len(memberships)} memberships.</p>")
    return "".join([*sections, group("Without a company", outside)])


def page_routes(state: State, desk: Desk) -> list[Route]:
    def wrong_return(back: str) -> Response | None:
        if trusted(origin_of(back)):
            return None
        return page(f'<p role="alert">return: <code>{html.escape(back or "(nothing)")}</code> is no page of Otto&rsquo;s. It takes http://127.0.0.1, http://localhost (any port) or OTTO_PUBLIC_URL.</p>', 422)

    async def chosen(user: str, company: str) -> tuple[str, str | None]:
        """Whom a button means."""
        if user.startswith("role:") and user[5:] in PEOPLE:
            made = await desk.found_company()
            return made[user[5:]], made[""]
        if user == NEWCOMER:
            return desk.directory.user(None, first_name="New", last_name="Person")["id"], None
        if user not in state.data["users"] or (company and not desk.directory.membership(user, company)):
            raise HTTPException(422, "That person is not registered here any more.")
        return user, company or None

    async def sign_in(request: Request) -> Response:
        default = public_origin() + "/app/" if public_origin() else ""
        if request.method == "GET":
            back = request.query_params.get("return", default)
            return wrong_return(back) or page(directory_of(state, back))
        form = dict(urllib.parse.parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        back, origin = form.get("return", default), request.headers.get("origin", "")
        if origin and origin != origin_of(str(request.base_url)) and not trusted(origin_of(origin)):
            return page('<p role="alert">The form was sent by another site.</p>', 403)
        if wrong := wrong_return(back):
            return wrong
        try:
            user, company = await chosen(form.get("user", ""), form.get("company", ""))
        except HTTPException as error:
            again = "/sign-in?" + urllib.parse.urlencode({"return": back})
            return page(f'<p role="alert">{html.escape(error.detail)}</p><p><a href="{html.escape(again)}">Back to the list</a></p>', error.status_code)
        return RedirectResponse(with_code(back, desk.code(user, company)), 303, {"Cache-Control": "no-store"})

    return [Route("/sign-in", sign_in, methods=["GET", "POST"])]


# -- what the app calls

def session_routes(desk: Desk) -> list[Route]:
    def signed_out() -> Response:
        return JSONResponse({"error": "nobody is signed in here: GET /sign-in"}, 401)

    def current(request: Request) -> Json | None:
        key = request.cookies.get(COOKIE, "")
        return desk.session(key) if key else None

    async def session(request: Request) -> Response:
        if request.method == "GET":
            found = current(request)
            return JSONResponse(desk.shown(found)) if found else signed_out()
        former = request.cookies.get(COOKIE, "")
        if request.method == "DELETE":
            desk.drop(former)
            answer = Response(status_code=204)
            answer.delete_cookie(COOKIE, path="/sign-in", httponly=True, samesite="lax")
            return answer
        key = desk.redeem(str((await read_command(request, {"code"}, set()))["code"]))
        found = desk.session(key) if key else None
        if not found:
            return JSONResponse({"error": f"code: it is unknown, used or older than {CODE_S} s; sign in again"}, 401)
        desk.drop(former)
        answer = JSONResponse(desk.shown(found))
        answer.set_cookie(COOKIE, key, path="/sign-in", httponly=True, samesite="lax")
        return answer

    async def token(request: Request) -> Response:
        found = current(request)
        if not found:
            return signed_out()
        company = (await read_command(request, set(), {"company"})).get("company")
        membership = desk.directory.membership(found["user"], company) if isinstance(company, str) and company else None
        if company and not membership:
            return JSONResponse({"error": f"company: {company} is none of this person's"}, 403)
        desk.choose(found, membership["organization"] if membership else None)
        return JSONResponse(desk.token(found["user"], membership))

    return [Route("/sign-in/session", for_pages(session), methods=["GET", "POST", "DELETE", "OPTIONS"]), Route("/sign-in/token", for_pages(token), methods=["POST", "OPTIONS"])]


def routes(state: State, directory: Directory, webhooks: Webhooks) -> list[Route]:
    desk = Desk(state, directory, webhooks)
    return [*page_routes(state, desk), *session_routes(desk)]
