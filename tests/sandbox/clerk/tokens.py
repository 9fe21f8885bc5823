"""Session tokens, good ones and those that are wrong in one way; operators' too, who have an issuer of their own."""

import base64
import hashlib
import hmac
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives import serialization

from ..commands import one_of, refuse, whole_number
from ..state import Json, State
from .directory import join, new_id, new_organization, new_user

# Otto's roles as a Clerk instance names them; "admin" is what Clerk gives to an organisation's creator.
CLERK_ROLES = {"manager": "admin", "csr": "csr", "sales_rep": "sales_rep", "executive": "executive"}
KINDS = ("good", "expired", "wrong_issuer", "forged", "none", "hs256", "no_exp", "unknown_kid", "tampered")


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def kid(name: str) -> str:
    return f"ins_sandbox_{name}"


def public_jwk(state: State, name: str) -> Json:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(state.keys[name].public_key()))
    return {"use": "sig", "kty": "RSA", "kid": kid(name), "alg": "RS256", "n": key["n"], "e": key["e"]}


def make_token(state: State, wanted: Json) -> Json:
    """A session token as Clerk makes it, or one that is wrong in exactly the way that `kind` says."""
    role = one_of(wanted, "role", (*CLERK_ROLES, "admin", "operator"))
    kind = one_of(wanted, "kind", KINDS, "good")
    ttl = whole_number(wanted, "ttl_s", 3600)
    version = whole_number(wanted, "version", 2)
    if version not in (1, 2):
        refuse("version must be 1 or 2, the versions of Clerk's claims")
    for name in ("user", "company"):
        if not isinstance(wanted.get(name, ""), str):
            refuse(f"{name} must be a text")
    operator = role == "operator"
    company = None if operator else wanted.get("company") or None
    with state.lock:
        user = new_user(state, wanted.get("user"))["id"]
        if company:
            if company not in state.data["organizations"]:
                new_organization(state, company, user, company)
            join(state, user, company, f"org:{CLERK_ROLES.get(role, role)}")
        state.save()
    claims = claims_of(state, user, company, CLERK_ROLES.get(role, role), operator, version, ttl)
    if kind == "expired":
        claims.update(iat=claims["iat"] - 3600, nbf=claims["nbf"] - 3600, exp=int(time.time()) - 60)
    elif kind == "wrong_issuer":
        claims["iss"] = "https://clerk.elsewhere.example"
    elif kind == "no_exp":
        del claims["exp"]
    return {"token": signed(state, "operator" if operator else "clerk", claims, kind), "user_id": user, "company_id": company}


def claims_of(state: State, user: str, company: str | None, role: str, operator: bool, version: int, ttl: int) -> Json:
    now = int(time.time())
    issued = now - 1 if ttl >= 0 else now + ttl - 60  # a token that has ended began before its end
    claims: Json = {"azp": "http://localhost:3000", "exp": now + ttl, "fva": [0, -1], "iat": issued, "iss": state.base + ("/operator" if operator else ""), "nbf": issued - 10, "sid": new_id("sess_"), "sub": user}
    if version == 2:
        claims.update(v=2, jti=secrets.token_hex(10), sts="active")
        if company:
            claims["o"] = {"id": company, "rol": role, "slg": state.data["organizations"][company]["slug"]}
    elif company:
        claims.update(org_id=company, org_role=f"org:{role}", org_slug=state.data["organizations"][company]["slug"], org_permissions=[])
    return claims


def signed(state: State, name: str, claims: Json, kind: str) -> str:
    """The claims as a token; the kinds that are wrong in header or signature are made by hand, as no library makes them."""
    header = {"alg": "RS256", "kid": kid(name), "typ": "JWT"}
    payload = b64u(json.dumps(claims).encode())
    if kind == "none":
        return b64u(json.dumps({**header, "alg": "none"}).encode()) + "." + payload + "."
    if kind == "hs256":  # the public key, which anybody can read, used as if it were a shared secret
        pem = state.keys[name].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        unsigned = b64u(json.dumps({**header, "alg": "HS256"}).encode()) + "." + payload
        return unsigned + "." + b64u(hmac.new(pem, unsigned.encode(), hashlib.sha256).digest())
    if kind == "unknown_kid":
        header["kid"] = "ins_nobody"
    token = jwt.encode(claims, state.keys["stranger" if kind == "forged" else name], algorithm="RS256", headers=header)
    if kind == "tampered":
        head, _, signature = token.split(".")
        return f"{head}.{b64u(json.dumps({**claims, 'sub': new_id('user_')}).encode())}.{signature}"
    return token
