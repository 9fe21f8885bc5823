"""The way of a person into the web app: its page, a click at the sandbox, a session, the first questions. And how all of it is sent."""

import gzip
import html
import json
import re
import urllib.parse

import httpx

from conftest import Company


def test_the_page_and_its_files(stack):
    for path in ("/", "/app"):
        answer = stack.http.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/app/")
    page = stack.http.get("/app/calls/100036?t=102")
    assert page.status_code == 200 and page.headers["Cache-Control"] == "no-cache" and stack.http.get("/app/", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304
    config = json.loads(html.unescape(re.search(r'name="otto-config" content="([^"]*)"', page.text)[1]))
    assert config["sign_in"] == stack.sandbox == config["issuer"] and config["publishable_key"] == "" and config["build"]
    assert f"connect-src 'self' {stack.sandbox};" in page.headers["Content-Security-Policy"]
    file = stack.http.get("/app/assets/main-1.js")
    assert "immutable" in file.headers["Cache-Control"] and file.headers["X-Content-Type-Options"] == "nosniff"
    head = stack.http.head("/app/assets/main-1.js")
    assert head.status_code == 200 and head.content == b"" and head.headers["Content-Length"] == file.headers["Content-Length"]
    for path in ("/app/assets/main-0.js", "/app/.env"):
        assert stack.http.get(path).status_code == 404
    assert stack.http.get("/app/..%2f..%2fconftest.py").status_code in (400, 404)  # nginx itself refuses what leads out of everything
    report = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "https://evil.example/a"}}
    assert stack.http.post("/api/v1/csp-report", content=json.dumps(report), headers={"Content-Type": "application/csp-report"}).status_code == 204


def test_a_click_leads_in(stack):
    company = Company(stack)
    company.member("csr", user := "user_clicked_" + company.id[-8:])
    back, origin = stack.url + "/app/calls", {"Origin": stack.url}
    with httpx.Client(base_url=stack.sandbox, timeout=30) as browser:
        assert user in browser.get("/sign-in", params={"return": back}).text
        clicked = browser.post("/sign-in", data={"return": back, "user": user, "company": company.id})
        assert clicked.status_code == 303 and clicked.headers["Location"].startswith(back + "?code=")
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(clicked.headers["Location"]).query)["code"][0]
        session = browser.post("/sign-in/session", json={"code": code}, headers=origin).json()
        assert session["user"]["id"] == user and session["active"] == company.id
        token = browser.post("/sign-in/token", json={"company": company.id}, headers=origin).json()["token"]
    me = stack.get("/api/v1/me", token).json()["data"]
    assert (me["user"]["id"], me["user"]["role"], me["company"]["id"], me["company"]["timezone"]) == (user, "csr", company.id, "America/Phoenix")
    assert {"id", "name", "role", "status"} == stack.get("/api/v1/people", token).json()["data"]["items"][0].keys()
    assert stack.get("/api/v1/me", stack.token("manager")).json()["data"]["company"] is None  # who has none yet


def test_long_answers_are_packed(stack):
    with stack.http.stream("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"}) as packed:
        body = b"".join(packed.iter_raw())
    assert packed.headers["Content-Encoding"] == "gzip" and int(packed.headers["Content-Length"]) == len(body)
    plain = stack.http.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers and gzip.decompress(body) == plain.content and len(body) * 4 < len(plain.content)
