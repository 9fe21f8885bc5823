"""Clerk's API as far as Otto asks it, and the issuers' keys."""

import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..commands import read_object, whole_number
from ..state import Json, State
from .directory import find_membership, join, new_id, new_organization, new_user, now_ms, shown_membership, shown_organization
from .tokens import public_jwk

ORGANIZATION_FIELDS = {"name", "slug", "max_allowed_memberships", "public_metadata", "private_metadata"}


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
        Route("/.well-known/jwks.json", jwks), Route("/operator/.well-known/jwks.json", jwks),
        api("/jwks", jwks), api("/organizations", organizations, "GET", "POST"), api("/organizations/{id}", organization, "GET", "PATCH", "DELETE"),
        api("/organizations/{id}/memberships", memberships, "GET", "POST"), api("/organizations/{id}/memberships/{user}", membership, "PATCH", "DELETE"),
        api("/users", users, "GET", "POST"), api("/users/{id}", user), api("/users/{id}/organization_memberships", memberships_of_user),
    ]
