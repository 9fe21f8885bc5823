"""Sign-in with a click: the page, the way back with a code, the session and its tokens."""

import html.parser
import json
import typing
import urllib.parse
import uuid

import httpx
import jwt
import pytest
from peers import SECRET_KEY, otto, running, sandbox, shared  # noqa: F401

from sandbox.clerk import sign_in

BACK = "http://127.0.0.1:8080/app/calls?status=missed#row"
ORIGIN = {"Origin": "http://127.0.0.1:8080"}


class Buttons(html.parser.HTMLParser):
    """The forms of the page, by what their button says first."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.fields: dict[str, str] = {}
        self.within = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.fields = {}
        elif tag == "input":
            self.fields[given["name"]] = given["value"]
        self.within = tag == "bdi" and bool(self.fields)

    def handle_data(self, data: str) -> None:
        if self.within:
            self.forms[data] = self.fields
            self.fields, self.within = {}, False


def buttons(client: httpx.Client, back: str = BACK) -> dict[str, dict[str, str]]:
    answer = client.get("/sign-in", params={"return": back})
    assert answer.status_code == 200, answer.text
    return Buttons(answer.text).forms


def click(client: httpx.Client, form: dict[str, str]) -> str:
    """The code that the way back carries."""
    answer = client.post("/sign-in", data=form, headers={"Origin": str(client.base_url)})
    assert answer.status_code == 303, answer.text
    where = urllib.parse.urlsplit(answer.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == "http://127.0.0.1:8080/app/calls" and where.fragment == "row"
    asked = urllib.parse.parse_qs(where.query)
    assert asked["status"] == ["missed"]
    return asked["code"][0]


def signed_in(client: httpx.Client, form: dict[str, str]) -> dict[str, typing.Any]:
    answer = client.post("/sign-in/session", json={"code": click(client, form)}, headers=ORIGIN)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def member(client: httpx.Client, company: str, role: str, first_name: str) -> str:
    user = f"user_{uuid.uuid4().hex}"
    assert client.post("/sandbox/clerk/member", json={"company": company, "user": user, "role": role, "first_name": first_name, "last_name": "Lopez", "email": f"{user}@roof.example"}).status_code == 200
    return user


def browser(client: httpx.Client) -> httpx.Client:
    """Another one, with cookies of its own."""
    return httpx.Client(base_url=client.base_url, timeout=60, trust_env=False)


def test_a_click_signs_in_and_the_code_works_once(sandbox):
    company = f"org_{uuid.uuid4().hex}"
    user = member(sandbox, company, "org:admin", "Maria")
    with browser(sandbox) as page:
        form = next(f for f in buttons(page).values() if f["user"] == user)
        code = click(page, form)
        answer = page.post("/sign-in/session", json={"code": code}, headers=ORIGIN)
        assert answer.json() == {"user": {"id": user, "name": "Maria Lopez", "email": f"{user}@roof.example"}, "companies": [{"id": company, "name": company, "role": "manager"}], "active": company}
        cookie = answer.headers["Set-Cookie"]
        assert all(part in cookie for part in ("HttpOnly", "Path=/sign-in", "SameSite=lax"))
        assert page.get("/sign-in/session", headers=ORIGIN).json() == answer.json()
        token = page.post("/sign-in/token", json={"company": company}, headers=ORIGIN).json()
        claims = jwt.decode(token["token"], options={"verify_signature": False})
        assert token["expires_in"] == 60 and claims["exp"] - claims["iat"] <= 61 and claims["sub"] == user and claims["o"]["id"] == company and claims["o"]["rol"] == "admin"
        made = sandbox.post("/sandbox/clerk/token", json={"role": "manager", "company": company, "user": user}).json()["token"]
        assert claims.keys() == jwt.decode(made, options={"verify_signature": False}).keys()
        with browser(sandbox) as other:
            assert other.post("/sign-in/session", json={"code": code}, headers=ORIGIN).status_code == 401
        assert page.delete("/sign-in/session", headers=ORIGIN).status_code == 204
        assert page.get("/sign-in/session", headers=ORIGIN).status_code == page.post("/sign-in/token", json={}, headers=ORIGIN).status_code == 401


def test_a_code_ends_after_a_minute(sandbox, tmp_path, monkeypatch):
    from sandbox.clerk.directory import Directory
    from sandbox.clerk.webhooks import Webhooks
    from sandbox.state import State

    state = State(tmp_path, "http://127.0.0.1:1")
    directory = Directory(state, lambda kind, data: None)
    desk = sign_in.Desk(state, directory, Webhooks(state))
    user, now = directory.user()["id"], [1000.0]
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: now[0])
    late, soon = desk.code(user, None), desk.code(user, None)
    now[0] += 59.9
    assert desk.redeem(soon) and not desk.redeem(soon)
    now[0] += 0.1
    assert not desk.redeem(late)


def test_who_works_for_two_companies_is_where_he_was_last(sandbox):
    first, second = (f"org_{uuid.uuid4().hex}" for _ in range(2))
    user = member(sandbox, first, "org:csr", "Two")
    sandbox.post("/sandbox/clerk/member", json={"company": second, "user": user, "role": "org:executive"})
    with browser(sandbox) as page:
        who = signed_in(page, {"return": BACK, "user": user, "company": second})
        assert who["active"] == second and {c["id"]: c["role"] for c in who["companies"]} == {first: "csr", second: "executive"}
        assert page.post("/sign-in/token", json={"company": first}, headers=ORIGIN).status_code == 200
        assert page.get("/sign-in/session", headers=ORIGIN).json()["active"] == first
        sandbox.post("/sandbox/clerk/member", json={"company": first, "user": user, "role": None})
        assert page.get("/sign-in/session", headers=ORIGIN).json()["active"] == second
        refused = page.post("/sign-in/token", json={"company": first}, headers=ORIGIN)
        assert refused.status_code == 403 and "company" in refused.json()["error"]


@pytest.mark.parametrize("back", ["https://evil.example/", "http://127.0.0.1.evil.example/", "http://127.0.0.1:80@evil.example/", "https://127.0.0.1/", "//evil.example", "javascript:alert(1)", "http://localhost:x/",
                                  "http://127.0.0.1\\@evil.example/", "http://127.0.0.1/\r\nX: 1", ""])
def test_a_way_back_to_strangers_is_refused(sandbox, back):
    for answer in (sandbox.get("/sign-in", params={"return": back}), sandbox.post("/sign-in", data={"return": back, "user": "newcomer"})):
        assert answer.status_code == 422 and "Location" not in answer.headers


def test_pages_of_others_learn_nothing(sandbox):
    elsewhere = {"Origin": "https://evil.example"}
    assert sandbox.post("/sign-in", data={"return": BACK, "user": "newcomer"}, headers=elsewhere).status_code == 403
    for method, path in (("GET", "/sign-in/session"), ("POST", "/sign-in/token"), ("OPTIONS", "/sign-in/token")):
        answer = sandbox.request(method, path, headers=elsewhere)
        assert answer.status_code == 403 and "Access-Control-Allow-Origin" not in answer.headers
    ours = sandbox.options("/sign-in/token", headers=ORIGIN)
    assert ours.status_code == 204 and (ours.headers["Access-Control-Allow-Origin"], ours.headers["Access-Control-Allow-Credentials"]) == (ORIGIN["Origin"], "true")
    assert sandbox.get("/sign-in/session", headers=ORIGIN).headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    wrong = sandbox.post("/sign-in/session", json={"kode": "x"}, headers=ORIGIN)
    assert wrong.status_code == 422 and "kode" in wrong.json()["error"] and "Access-Control-Allow-Origin" in wrong.headers


def test_names_are_text(sandbox):
    hostile = "\"><script>alert('x')</script>\u202e"
    user = member(sandbox, f"org_{uuid.uuid4().hex}", "org:csr", hostile)
    answer = sandbox.get("/sign-in", params={"return": BACK + "&\"><b>"})
    assert "<script" not in answer.text and '"><b>' not in answer.text and user in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"] and "script-src" not in answer.headers["Content-Security-Policy"]
    assert Buttons(answer.text).forms[hostile + " Lopez"]["user"] == user


def test_a_fresh_stack_has_somebody_to_click_on(tmp_path, otto):
    with running(tmp_path) as first:
        assert first.get("/sign-in").status_code == 422  # nobody says where Otto is
        found = buttons(first)
        assert {"Dana Ortiz", "Maria Lopez", "Bob Stone", "Ann Lee", "Somebody new"} == found.keys()
        first.post("/sandbox/clerk/settings", json={"otto_url": otto.url})
        otto.status = 503
        assert first.post("/sign-in", data=found["Maria Lopez"]).status_code == 502
        otto.status, otto.documents["/api/v1/company"] = 200, ("application/json", json.dumps({"company_id": "org_otto"}))
        first.post("/v1/organizations", json={"name": "x"}, headers=SECRET_KEY)
        first.post("/sandbox/clerk/member", json={"company": "org_otto", "user": "user_out", "role": None})  # as Otto would have asked for
        otto.seen.clear()
        who = signed_in(first, found["Maria Lopez"])
        assert (who["user"]["name"], who["active"], who["companies"][0]["role"]) == ("Maria Lopez", "org_otto", "csr")
        asked = otto.seen[0]
        assert asked[0] == "/api/v1/company" and json.loads(asked[2])["name"] == "Desert Roofing"
        assert sum(json.loads(body)["type"] == "organizationMembership.created" for path, _, body in otto.seen if path == "/api/v1/clerk/webhook") == 4
        again = buttons(first)
        assert all(again[name]["company"] == "org_otto" for name in ("Dana Ortiz", "Maria Lopez", "Bob Stone", "Ann Lee"))
    with running(tmp_path) as second:  # with its key, which the cookie is
        second.cookies = httpx.Cookies({name: value for name, value in first.cookies.items()})
        assert second.get("/sign-in/session").json() == who


def test_without_otto_the_company_is_here_alone(tmp_path):
    with running(tmp_path) as client:
        who = signed_in(client, buttons(client)["Ann Lee"])
        assert (who["companies"][0]["name"], who["companies"][0]["role"]) == ("Desert Roofing", "executive")
        assert signed_in(client, buttons(client)["Dana Ortiz"])["companies"][0]["id"] == who["active"]
        assert signed_in(client, buttons(client)["Somebody new"]) | {"user": None} == {"user": None, "companies": [], "active": None}
