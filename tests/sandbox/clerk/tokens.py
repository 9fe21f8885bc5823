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
from .directory import Directory
from .ids import new_id

# Otto's roles as a Clerk instance names them; "admin" is what Clerk gives to an organisation's creator.
CLERK_ROLES = {"manager": "admin", "csr": "csr", "sales_rep": "sales_rep", "executive": "executive"}
KINDS = ("good", "expired", "wrong_issuer", "forged", "none", "hs256", "no_exp", "unknown_kid", "tampered")


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def kid(name: str) -> str:
    return f"ins_sandbox_{name}"


def signing_key(state: State, issuer: str) -> str:
    """The name of the key that signs now. Clerk's may have been changed, the operators' issuer has one for ever."""
    turn = state.data.get("clerk_key", 0) if issuer == "clerk" else 0
    return f"{issuer}_{turn}" if turn else issuer


def public_keys(state: State, issuer: str) -> list[Json]:
    """The key that signs now, and the former one while it is still honoured."""
    former = state.data.get("clerk_former_key") if issuer == "clerk" else None
    return [public_jwk(state, name) for name in (signing_key(state, issuer), former) if name]


def rotate(state: State, keep: bool) -> Json:
    """From now on another key signs; the former is shown for tokens that are under way, unless it is dropped at once."""
    with state.lock:
        former = signing_key(state, "clerk")
        state.data["clerk_key"] = state.data.get("clerk_key", 0) + 1
        state.data["clerk_former_key"] = former if keep else None
        state.key(signing_key(state, "clerk"))
        state.save()
    return {"kid": kid(signing_key(state, "clerk")), "former": kid(former), "kept": keep}


def public_jwk(state: State, name: str) -> Json:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(state.key(name).public_key()))
    return {"use": "sig", "kty": "RSA", "kid": kid(name), "alg": "RS256", "n": key["n"], "e": key["e"]}


def make_token(state: State, directory: Directory, wanted: Json) -> Json:
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
        user = directory.user(wanted.get("user"))["id"]
        if company and wanted.get("joins", True):
            if company not in state.data["organizations"]:
                directory.organization(company, user, company)
            directory.join(user, company, f"org:{CLERK_ROLES.get(role, role)}")
    claims = claims_of(state, user, company, CLERK_ROLES.get(role, role), operator, version, ttl)
    if kind == "expired":
        claims.update(iat=claims["iat"] - 3600, nbf=claims["nbf"] - 3600, exp=int(time.time()) - 60)
    elif kind == "wrong_issuer":
        claims["iss"] = "https://clerk.elsewhere.example"
    elif kind == "no_exp":
        del claims["exp"]
    return {"token": signed(state, "operator" if operator else "clerk", claims, kind), "user_id": user, "company_id": company}


def slug(state: State, company: str) -> str:
    return str(state.data["organizations"].get(company, {}).get("slug", company))


def claims_of(state: State, user: str, company: str | None, role: str, operator: bool, version: int, ttl: int) -> Json:
    now = int(time.time())
    issued = now - 1 if ttl >= 0 else now + ttl - 60  # a token that has ended began before its end
    claims: Json = {"azp": "http://localhost:3000", "exp": now + ttl, "fva": [0, -1], "iat": issued, "iss": state.base + ("/operator" if operator else ""), "nbf": issued - 10, "sid": new_id("sess_"), "sub": user}
    if version == 2:
        claims.update(v=2, jti=secrets.token_hex(10), sts="active")
        if company:
            claims["o"] = {"id": company, "rol": role, "slg": slug(state, company)}
    elif company:
        claims.update(org_id=company, org_role=f"org:{role}", org_slug=slug(state, company), org_permissions=[])
    return claims


def signed(state: State, name: str, claims: Json, kind: str) -> str:
    """The claims as a token; the kinds that are wrong in header or signature are made by hand, as no library makes them."""
    name = signing_key(state, name)
    header = {"alg": "RS256", "kid": kid(name), "typ": "JWT"}
    payload = b64u(json.dumps(claims).encode())
    if kind == "none":
        return b64u(json.dumps({**header, "alg": "none"}).encode()) + "." + payload + "."
    if kind == "hs256":  # the public key, which anybody can read, used as if it were a shared secret
        pem = state.key(name).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        unsigned = b64u(json.dumps({**header, "alg": "HS256"}).encode()) + "." + payload
        return unsigned + "." + b64u(hmac.new(pem, unsigned.encode(), hashlib.sha256).digest())
    if kind == "unknown_kid":
        header["kid"] = "ins_nobody"
    token = jwt.encode(claims, state.key("stranger" if kind == "forged" else name), algorithm="RS256", headers=header)
    if kind == "tampered":
        head, _, signature = token.split(".")
        return f"{head}.{b64u(json.dumps({**claims, 'sub': new_id('user_')}).encode())}.{signature}"
    return token
