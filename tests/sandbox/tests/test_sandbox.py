"""The sandbox against the providers' published vectors and their own libraries."""

import hashlib
import http.server
import json
import pathlib
import threading

import jwt
import pytest
from starlette.testclient import TestClient

from sandbox.app import make_app
from sandbox.callrail import sign
from sandbox.state import DEFAULT_SIGNING_KEY, State

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"


@pytest.fixture
def client(tmp_path):
    return TestClient(make_app(State(tmp_path, "http://127.0.0.1:8090")))


def test_the_published_signature():
    body = (VECTORS / "callrail_post_call.json").read_bytes()
    assert hashlib.sha256(body).hexdigest() == "4c08427068fb350b43abc01ec131501ca0548945d483886f1a48c9937bef961a"
    assert sign(DEFAULT_SIGNING_KEY, body) == "UZAHbUdfm3GqL7qzilGozGzWV64="


def claims_of(client, token, **options):
    key = jwt.PyJWK(client.get("/.well-known/jwks.json").json()["keys"][0])
    return jwt.decode(token, key.key, algorithms=["RS256"], issuer="http://127.0.0.1:8090", **options)


@pytest.mark.parametrize("version", [1, 2])
def test_a_good_token_verifies_with_the_published_keys(client, version):
    made = client.post("/sandbox/clerk/token", json={"role": "manager", "company": "org_a", "version": version}).json()
    claims = claims_of(client, made["token"])
    assert claims["sub"] == made["user_id"]
    assert claims["o"] == {"id": "org_a", "slg": "org_a", "rol": "admin"} if version == 2 else claims["org_role"] == "org:admin"


@pytest.mark.parametrize("kind", ["expired", "wrong_issuer", "forged", "none", "hs256", "tampered"])
def test_bad_tokens_are_bad(client, kind):
    made = client.post("/sandbox/clerk/token", json={"role": "csr", "company": "org_a", "kind": kind}).json()
    with pytest.raises(jwt.PyJWTError):
        claims_of(client, made["token"])


def test_an_operator_has_another_issuer(client):
    made = client.post("/sandbox/clerk/token", json={"role": "operator"}).json()
    assert jwt.decode(made["token"], options={"verify_signature": False})["iss"].endswith("/operator")


def test_organisations_need_the_secret_key(client):
    assert client.post("/v1/organizations", json={"name": "A"}).status_code == 401
    made = client.post("/v1/organizations", json={"name": "A", "created_by": "user_1"}, headers={"Authorization": "Bearer sk_test"}).json()
    assert made["id"].startswith("org_")


def test_integrations_of_known_and_unknown_accounts(client):
    token = {"Authorization": 'Token token="key"'}
    assert client.get("/v3/a/ACC1/integrations.json").status_code == 401
    assert client.get("/v3/a/ACC1/integrations.json", headers=token).json()["integrations"][0]["signing_key"] == DEFAULT_SIGNING_KEY
    client.post("/sandbox/callrail/accounts", json={"account_id": "ACC1", "api_key": "other", "integrations": "none"})
    assert client.get("/v3/a/ACC1/integrations.json", headers=token).status_code == 401
    assert client.get("/v3/a/ACC1/integrations.json", headers={"Authorization": 'Token token="other"'}).json()["integrations"] == []


def test_a_placed_call_is_posted_and_signed(client):
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Signature"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client.post("/sandbox/callrail/accounts", json={"account_id": "ACC2", "signing_key": "secret", "numbers": ["(404) 555-8514"]})
    placed = client.post("/sandbox/callrail/place-call", json={"to": "+14045558514", "from": "2148654559", "otto_url": f"http://127.0.0.1:{server.server_port}"}).json()
    server.shutdown()
    assert [s[0] for s in seen] == ["/api/v1/callrail/call.incoming", "/api/v1/callrail/call.answered", "/api/v1/callrail/call.completed"]
    assert all(signature == sign("secret", body) for _, signature, body in seen)
    first, last = json.loads(seen[0][2]), json.loads(seen[2][2])
    assert (first["answered"], first["duration"], first["call_type"]) == (False, "0", "missed")
    assert last["duration"] == "183" and last["recording"].startswith("https://") and last["id"] == placed["id"]


def test_faults_on_demand(client):
    client.post("/sandbox/faults", json={"provider": "callrail", "path": "integrations", "status": 429, "retry_after": 1, "times": 1})
    token = {"Authorization": 'Token token="key"'}
    first = client.get("/v3/a/ACC1/integrations.json", headers=token)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "1")
    assert client.get("/v3/a/ACC1/integrations.json", headers=token).status_code == 200
    assert [r["status"] for r in client.get("/sandbox/requests?provider=callrail").json()] == [429, 200]
