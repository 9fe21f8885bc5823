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

from .commands import one_of, read_command, read_object, refuse, whole_number
from .state import Json, State

# Otto's roles as a Clerk instance names them; "admin" is what Clerk gives to an organisation's creator.
CLERK_ROLES = {"manager": "admin", "csr": "csr", "sales_rep": "sales_rep", "executive": "executive"}
KINDS = ("good", "expired", "wrong_issuer", "forged", "none", "hs256", "no_exp", "unknown_kid", "tampered")
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
ORGANIZATION_FIELDS = {"name", "slug", "max_allowed_memberships", "public_metadata", "private_metadata"}


def new_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(27))


def now_ms() -> int:
    return int(time.time() * 1000)


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def kid(name: str) -> str:
    return f"ins_sandbox_{name}"


def public_jwk(state: State, name: str) -> Json:
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(state.keys[name].public_key()))
    return {"use": "sig", "kty": "RSA", "kid": kid(name), "alg": "RS256", "n": key["n"], "e": key["e"]}


# -- what is registered -----------------------------------------------------------------------------------------------


def new_user(state: State, user: str | None = None, **given: typing.Any) -> Json:
    """The user with that id, made if there is none."""
    user = user or new_id("user_")
    with state.lock:
        if user not in state.data["users"]:
            at = now_ms()
            address = {"id": new_id("idn_"), "object": "email_address", "email_address": f"{user.lower()}@sandbox.example", "verification": {"status": "verified", "strategy": "admin"}}
            state.data["users"][user] = {
                "id": user, "object": "user", "username": None, "first_name": "Sandy", "last_name": "Box", "image_url": "", "primary_email_address_id": address["id"], "email_addresses": [address],
                "phone_numbers": [], "public_metadata": {}, "private_metadata": {}, "unsafe_metadata": {}, "external_id": None, "banned": False, "locked": False, "created_at": at, "updated_at": at, **given}
        return typing.cast(Json, state.data["users"][user])


def new_organization(state: State, name: str, created_by: str | None, organization: str | None = None) -> Json:
    organization = organization or new_id("org_")
    at = now_ms()
    made = {"object": "organization", "id": organization, "name": name, "slug": organization.lower().replace("_", "-"), "image_url": "", "has_image": False, "max_allowed_memberships": 5,
            "admin_delete_enabled": True, "public_metadata": {}, "private_metadata": {}, "created_by": created_by, "created_at": at, "updated_at": at}
    state.data["organizations"][organization] = made
    return made


def join(state: State, user: str, organization: str, role: str) -> Json:
    """The one membership of a user in an organisation, with that role from now on."""
    with state.lock:
        found = find_membership(state, user, organization)
        if found is None:
            found = {"id": new_id("orgmem_"), "user": user, "organization": organization, "created_at": now_ms()}
            state.data["memberships"].append(found)
        found.update(role=role, updated_at=now_ms())
        return found


def find_membership(state: State, user: str, organization: str) -> Json | None:
    return next((m for m in state.data["memberships"] if m["user"] == user and m["organization"] == organization), None)


def shown_organization(state: State, organization: Json) -> Json:
    return {**organization, "members_count": sum(m["organization"] == organization["id"] for m in state.data["memberships"])}


def shown_membership(state: State, membership: Json) -> Json:
    user = state.data["users"][membership["user"]]
    return {
        "object": "organization_membership", "id": membership["id"], "role": membership["role"], "permissions": [], "public_metadata": {}, "private_metadata": {},
        "organization": shown_organization(state, state.data["organizations"][membership["organization"]]),
        "public_user_data": {"user_id": user["id"], "identifier": user["email_addresses"][0]["email_address"] if user["email_addresses"] else "", "first_name": user["first_name"],
                             "last_name": user["last_name"], "image_url": user["image_url"], "has_image": False},
        "created_at": membership["created_at"], "updated_at": membership["updated_at"]}


# -- tokens -----------------------------------------------------------------------------------------------------------


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


# -- Clerk's API ------------------------------------------------------------------------------------------------------


def problem(status: int, code: str, message: str, parameter: str | None = None) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": message, "long_message": message, "meta": {"param_name": parameter} if parameter else {}}]}, status)


def page_of(request: Request, items: list[Json]) -> list[Json]:
    query = request.query_params
    limit, offset = whole_number(dict(query), "limit", 10, 1), whole_number(dict(query), "offset", 0, 0)
    return items[offset:offset + min(limit, 500)]


Handler = typing.Callable[[Request], typing.Awaitable[Response]]


def with_secret_key(handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return problem(401, "authorization_invalid", "Unauthorized request: the API takes Authorization: Bearer sk_…")
        return await handler(request)

    return guarded


def routes(state: State) -> list[Route]:
    async def jwks(request: Request) -> Response:
        return JSONResponse({"keys": [public_jwk(state, "operator" if request.url.path.startswith("/operator/") else "clerk")]})

    async def token(request: Request) -> Response:
        return JSONResponse(make_token(state, await read_command(request, {"role"}, {"company", "user", "ttl_s", "version", "kind"})))

    async def organizations(request: Request) -> Response:
        if request.method == "GET":
            items = [shown_organization(state, o) for o in state.data["organizations"].values()]
            return JSONResponse({"data": page_of(request, items), "total_count": len(items)})
        body = await read_object(request)
        if not isinstance(body.get("name"), str) or not 0 < len(body["name"]) <= 256:
            return problem(422, "form_param_missing", "name must be included, of at most 256 characters", "name")
        creator = body.get("created_by")
        if creator is not None and creator not in state.data["users"]:
            return problem(404, "resource_not_found", f"No user was found with id {creator}", "created_by")
        with state.lock:
            made = new_organization(state, body["name"], creator)
            made.update({k: v for k, v in body.items() if k in ORGANIZATION_FIELDS})
            if creator:
                join(state, creator, made["id"], "org:admin")
            state.save()
        return JSONResponse(shown_organization(state, made))

    async def organization(request: Request) -> Response:
        found = state.data["organizations"].get(request.path_params["id"])
        if found is None:
            return problem(404, "resource_not_found", f"No organization was found with id {request.path_params['id']}")
        if request.method == "PATCH":
            body = await read_object(request)
            if unknown := sorted(body.keys() - ORGANIZATION_FIELDS):
                return problem(422, "form_param_unknown", f"{unknown[0]} is not a valid parameter for this request.", unknown[0])
            with state.lock:
                found.update(body, updated_at=now_ms())
                state.save()
        elif request.method == "DELETE":
            with state.lock:
                del state.data["organizations"][found["id"]]
                state.data["memberships"] = [m for m in state.data["memberships"] if m["organization"] != found["id"]]
                state.save()
            return JSONResponse({"object": "organization", "id": found["id"], "slug": found["slug"], "deleted": True})
        return JSONResponse(shown_organization(state, found))

    async def memberships(request: Request) -> Response:
        organization = request.path_params["id"]
        if organization not in state.data["organizations"]:
            return problem(404, "resource_not_found", f"No organization was found with id {organization}")
        if request.method == "POST":
            body = await read_object(request)
            if body.get("user_id") not in state.data["users"]:
                return problem(404, "resource_not_found", f"No user was found with id {body.get('user_id')}", "user_id")
            if not isinstance(body.get("role"), str) or not body["role"].startswith("org:"):
                return problem(422, "form_param_missing", "role must be included, such as org:admin", "role")
            if find_membership(state, body["user_id"], organization):
                return problem(400, "already_a_member_in_organization", "The user is a member of the organization already", "user_id")
            made = join(state, body["user_id"], organization, body["role"])
            state.save()
            return JSONResponse(shown_membership(state, made))
        items = [shown_membership(state, m) for m in state.data["memberships"] if m["organization"] == organization]
        return JSONResponse({"data": page_of(request, items), "total_count": len(items)})

    async def membership(request: Request) -> Response:
        found = find_membership(state, request.path_params["user"], request.path_params["id"])
        if found is None:
            return problem(404, "resource_not_found", "No such membership was found")
        if request.method == "PATCH":
            role = (await read_object(request)).get("role")
            if not isinstance(role, str) or not role.startswith("org:"):
                return problem(422, "form_param_missing", "role must be included, such as org:admin", "role")
            join(state, found["user"], found["organization"], role)
        shown = shown_membership(state, found)
        if request.method == "DELETE":
            with state.lock:
                state.data["memberships"].remove(found)
        state.save()
        return JSONResponse(shown)

    async def users(request: Request) -> Response:
        if request.method == "POST":
            body = await read_object(request)
            addresses = [{"id": new_id("idn_"), "object": "email_address", "email_address": str(a), "verification": {"status": "verified", "strategy": "admin"}} for a in body.get("email_address", [])]
            given: Json = {k: body[k] for k in ("first_name", "last_name", "username", "external_id", "public_metadata") if k in body}
            if addresses:
                given.update(email_addresses=addresses, primary_email_address_id=addresses[0]["id"])
            made = new_user(state, **given)
            state.save()
            return JSONResponse(made)
        return JSONResponse(page_of(request, list(state.data["users"].values())))  # a bare array, unlike the organisations

    async def user(request: Request) -> Response:
        found = state.data["users"].get(request.path_params["id"])
        return JSONResponse(found) if found else problem(404, "resource_not_found", f"No user was found with id {request.path_params['id']}")

    async def memberships_of_user(request: Request) -> Response:
        items = [shown_membership(state, m) for m in state.data["memberships"] if m["user"] == request.path_params["id"]]
        return JSONResponse({"data": page_of(request, items), "total_count": len(items)})

    def api(path: str, handler: Handler, *methods: str) -> Route:
        return Route("/v1" + path, with_secret_key(handler), methods=list(methods or ("GET",)))

    return [
        Route("/.well-known/jwks.json", jwks), Route("/operator/.well-known/jwks.json", jwks), Route("/sandbox/clerk/token", token, methods=["POST"]),
        api("/jwks", jwks), api("/organizations", organizations, "GET", "POST"), api("/organizations/{id}", organization, "GET", "PATCH", "DELETE"),
        api("/organizations/{id}/memberships", memberships, "GET", "POST"), api("/organizations/{id}/memberships/{user}", membership, "PATCH", "DELETE"),
        api("/users", users, "GET", "POST"), api("/users/{id}", user), api("/users/{id}/organization_memberships", memberships_of_user),
    ]
