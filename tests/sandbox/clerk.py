"""Clerk: keys, session tokens, organisations, users. Also an issuer of its own for operators."""

import base64
import hashlib
import hmac
import json
import secrets
import time
import typing

import jwt
from cryptography.hazmat.primitives import serialization
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .state import State

CLERK_ROLES = {"manager": "admin", "csr": "csr", "sales_rep": "sales_rep", "executive": "executive"}


def new_id(prefix: str) -> str:
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(27))


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def kid(name: str) -> str:
    return f"ins_sandbox_{name}"


def public_jwk(state: State, name: str) -> dict[str, str]:
    numbers = state.keys[name].public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid(name), "n": b64u(numbers.n.to_bytes(size, "big")), "e": b64u(numbers.e.to_bytes(3, "big"))}


def make_token(state: State, wanted: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """A session token as Clerk makes it, or one that is wrong in the way that `kind` says."""
    role = wanted.get("role", "csr")
    kind = wanted.get("kind", "good")
    ttl = int(wanted.get("ttl_s", 3600))
    operator = role == "operator"
    user = wanted.get("user") or new_id("user_")
    company = None if operator else wanted.get("company")
    now = int(time.time())
    issuer = state.base + ("/operator" if operator else "")
    claims: dict[str, typing.Any] = {"iss": issuer, "sub": user, "sid": new_id("sess_"), "iat": now - 1, "nbf": now - 10, "exp": now + ttl, "azp": "http://localhost:3000"}
    if kind == "expired":
        claims["exp"] = now - 60
    if ttl < 0:
        claims["iat"] = claims["nbf"] = now + ttl - 60
    if kind == "wrong_issuer":
        claims["iss"] = "https://clerk.elsewhere.example"
    if kind == "no_exp":
        del claims["exp"]
    if company:
        clerk_role = CLERK_ROLES.get(role, role)
        if int(wanted.get("version", 2)) == 2:
            claims["v"] = 2
            claims["o"] = {"id": company, "slg": company.lower(), "rol": clerk_role}
        else:
            claims.update({"org_id": company, "org_slug": company.lower(), "org_role": f"org:{clerk_role}", "org_permissions": []})
        with state.lock:
            state.data["organizations"].setdefault(company, {"id": company, "name": company, "created_by": user, "created_at": now * 1000})
            if not any(m["user"] == user and m["organization"] == company for m in state.data["memberships"]):
                state.data["memberships"].append({"user": user, "organization": company, "role": f"org:{clerk_role}"})
    with state.lock:
        state.data["users"].setdefault(user, {"id": user, "created_at": now * 1000})
        state.save()
    name = "operator" if operator else "clerk"
    headers = {"kid": kid(name), "typ": "JWT"}
    if kind == "unknown_kid":
        headers["kid"] = "ins_nobody"
    key: typing.Any = state.keys["stranger" if kind == "forged" else name]
    if kind == "none":
        token = b64u(json.dumps({"alg": "none", "typ": "JWT", "kid": kid(name)}).encode()) + "." + b64u(json.dumps(claims).encode()) + "."
    elif kind == "hs256":  # signed with the public key as if it were a secret
        pem = state.keys[name].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        signed = b64u(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid(name)}).encode()) + "." + b64u(json.dumps(claims).encode())
        token = signed + "." + b64u(hmac.new(pem, signed.encode(), hashlib.sha256).digest())
    else:
        token = jwt.encode(claims, key, algorithm="RS256", headers=headers)
    if kind == "tampered":
        head, payload, signature = token.split(".")
        claims["sub"] = new_id("user_")
        token = f"{head}.{b64u(json.dumps(claims).encode())}.{signature}"
    return {"token": token, "user_id": user, "company_id": company}


def routes(state: State) -> list[Route]:
    async def jwks(request: Request) -> Response:
        name = "operator" if request.url.path.startswith("/operator") else "clerk"
        return JSONResponse({"keys": [public_jwk(state, name)]})

    async def token(request: Request) -> Response:
        return JSONResponse(make_token(state, await request.json()))

    def refused(request: Request) -> Response | None:
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return JSONResponse({"errors": [{"code": "authorization_invalid", "message": "Unauthorized request"}]}, 401)
        return None

    async def organizations(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if request.method == "GET":
            items = list(state.data["organizations"].values())
            return JSONResponse({"data": items, "total_count": len(items)})
        body = await request.json()
        if not body.get("name"):
            return JSONResponse({"errors": [{"code": "form_param_missing", "message": "is missing", "meta": {"param_name": "name"}}]}, 422)
        organization = {"object": "organization", "id": new_id("org_"), "name": body["name"], "created_by": body.get("created_by"), "created_at": int(time.time() * 1000)}
        with state.lock:
            state.data["organizations"][organization["id"]] = organization
            if body.get("created_by"):
                state.data["memberships"].append({"user": body["created_by"], "organization": organization["id"], "role": "org:admin"})
            state.save()
        return JSONResponse(organization)

    async def organization(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        found = state.data["organizations"].get(request.path_params["id"])
        if not found:
            return JSONResponse({"errors": [{"code": "resource_not_found", "message": "not found"}]}, 404)
        with state.lock:
            if request.method == "DELETE":
                del state.data["organizations"][found["id"]]
                state.data["memberships"] = [m for m in state.data["memberships"] if m["organization"] != found["id"]]
                state.save()
                return JSONResponse({"id": found["id"], "object": "organization", "deleted": True})
            if request.method == "PATCH":
                found.update(await request.json())
                state.save()
        return JSONResponse(found)

    async def memberships(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        items = [m for m in state.data["memberships"] if m["organization"] == request.path_params["id"]]
        return JSONResponse({"data": items, "total_count": len(items)})

    async def users(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if "id" not in request.path_params:
            return JSONResponse(list(state.data["users"].values()))
        found = state.data["users"].get(request.path_params["id"])
        return JSONResponse(found) if found else JSONResponse({"errors": [{"code": "resource_not_found", "message": "not found"}]}, 404)

    return [
        Route("/.well-known/jwks.json", jwks), Route("/operator/.well-known/jwks.json", jwks), Route("/sandbox/clerk/token", token, methods=["POST"]),
        Route("/v1/organizations", organizations, methods=["GET", "POST"]), Route("/v1/organizations/{id}", organization, methods=["GET", "PATCH", "DELETE"]),
        Route("/v1/organizations/{id}/memberships", memberships), Route("/v1/users", users), Route("/v1/users/{id}", users),
    ]
