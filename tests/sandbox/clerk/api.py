"""Clerk's API as far as Otto asks it, in the shapes of Clerk's published OpenAPI, and the issuers' keys."""

import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..commands import read_object, whole_number
from ..state import Json, State
from .directory import ROLES, Directory, email_address
from .tokens import public_keys

ORGANIZATION_FIELDS = {"name", "slug", "max_allowed_memberships", "public_metadata", "private_metadata"}
USER_FIELDS = {"first_name", "last_name", "username", "external_id", "public_metadata", "private_metadata", "unsafe_metadata"}


def problem(status: int, code: str, message: str, parameter: str | None = None) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": message, "long_message": message, "meta": {"param_name": parameter} if parameter else {}}]}, status)


def missing(what: str, identifier: typing.Any, parameter: str | None = None) -> Response:
    return problem(404, "resource_not_found", f"No {what} was found with id {identifier}", parameter)


def page_of(request: Request, items: list[Json]) -> list[Json]:
    query = request.query_params
    limit, offset = whole_number(dict(query), "limit", 10, 1), whole_number(dict(query), "offset", 0, 0)
    return items[offset:offset + min(limit, 500)]


def listed(request: Request, items: list[Json]) -> Response:
    return JSONResponse({"data": page_of(request, items), "total_count": len(items)})


Handler = typing.Callable[[Request], typing.Awaitable[Response]]


def with_secret_key(handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return problem(401, "authorization_invalid", "Unauthorized request: the API takes Authorization: Bearer sk_…")
        return await handler(request)

    return guarded


def api(path: str, handler: Handler, *methods: str) -> Route:
    return Route("/v1" + path, with_secret_key(handler), methods=list(methods or ("GET",)))


def wrong_role(state: State, role: typing.Any) -> Response | None:
    """What Clerk says to a role that its dashboard does not know; the words are not published."""
    if not isinstance(role, str) or not role:
        return problem(422, "form_param_missing", "role must be included, such as org:admin", "role")
    if role not in state.data.get("clerk", {}).get("roles", ROLES):
        return problem(404, "resource_not_found", f"No organization role was found with key {role}", "role")
    return None


def no_admin(directory: Directory, organization: str, user: typing.Any, parameter: str) -> Response | None:
    """Who invites, or takes an invitation back, has to be an administrator if he is named."""
    if user is None:
        return None
    found = directory.membership(user, organization) if isinstance(user, str) else None
    return None if found and found["role"] == "org:admin" else problem(403, "not_an_admin_in_organization", f"{user} is no administrator of the organization", parameter)


def organization_routes(state: State, directory: Directory) -> list[Route]:
    async def organizations(request: Request) -> Response:
        if request.method == "GET":
            return listed(request, [directory.shown_organization(o) for o in state.data["organizations"].values()])
        body = await read_object(request)
        if not isinstance(body.get("name"), str) or not 0 < len(body["name"]) <= 256:
            return problem(422, "form_param_missing", "name must be included, of at most 256 characters", "name")
        creator = body.get("created_by")
        if creator is not None and creator not in state.data["users"]:
            return missing("user", creator, "created_by")
        with state.lock:
            made = directory.organization(body["name"], creator, **{k: v for k, v in body.items() if k in ORGANIZATION_FIELDS - {"name"}})
            if creator:
                directory.join(creator, made["id"], "org:admin")
        return JSONResponse(directory.shown_organization(made))

    async def organization(request: Request) -> Response:
        found = state.data["organizations"].get(request.path_params["id"])
        if found is None:
            return missing("organization", request.path_params["id"])
        if request.method == "PATCH":
            body = await read_object(request)
            if unknown := sorted(body.keys() - ORGANIZATION_FIELDS):
                return problem(422, "form_param_unknown", f"{unknown[0]} is not a valid parameter for this request.", unknown[0])
            directory.change_organization(found, body)
        elif request.method == "DELETE":
            return JSONResponse(directory.drop_organization(found))
        return JSONResponse(directory.shown_organization(found))

    return [api("/organizations", organizations, "GET", "POST"), api("/organizations/{id}", organization, "GET", "PATCH", "DELETE")]


def membership_routes(state: State, directory: Directory) -> list[Route]:
    async def memberships(request: Request) -> Response:
        organization = request.path_params["id"]
        if organization not in state.data["organizations"]:
            return missing("organization", organization)
        if request.method == "POST":
            body = await read_object(request)
            if body.get("user_id") not in state.data["users"]:
                return missing("user", body.get("user_id"), "user_id")
            if wrong := wrong_role(state, body.get("role")):
                return wrong
            if directory.membership(body["user_id"], organization):
                return problem(400, "already_a_member_in_organization", f"User {body['user_id']} is already a member of the organization.", "user_id")
            return JSONResponse(directory.shown_membership(directory.join(body["user_id"], organization, body["role"])))
        users, roles = request.query_params.getlist("user_id"), request.query_params.getlist("role")
        addresses = [a.lower() for a in request.query_params.getlist("email_address")]
        return listed(request, [m for m in directory.memberships(organization) if (not users or m["public_user_data"]["user_id"] in users) and (not roles or m["role"] in roles)
                                and (not addresses or m["public_user_data"]["identifier"].lower() in addresses)])

    async def membership(request: Request) -> Response:
        found = directory.membership(request.path_params["user"], request.path_params["id"])
        if found is None:
            return problem(404, "resource_not_found", "No such membership was found")
        if request.method == "DELETE":
            return JSONResponse(directory.leave(found))
        role = (await read_object(request)).get("role")
        if wrong := wrong_role(state, role):
            return wrong
        return JSONResponse(directory.shown_membership(directory.join(found["user"], found["organization"], role)))

    return [api("/organizations/{id}/memberships", memberships, "GET", "POST"), api("/organizations/{id}/memberships/{user}", membership, "PATCH", "DELETE")]


def invitation_routes(state: State, directory: Directory) -> list[Route]:
    def of(organization: str) -> list[Json]:
        """The newest first."""
        return [i for i in reversed(state.data["invitations"].values()) if i["organization_id"] == organization]

    async def invitations(request: Request) -> Response:
        organization = request.path_params["id"]
        if organization not in state.data["organizations"]:
            return missing("organization", organization)
        if request.method == "POST":
            body = await read_object(request)
            address = body.get("email_address")
            if not isinstance(address, str) or "@" not in address:
                return problem(422, "form_param_format_invalid", "email_address must be a valid email address.", "email_address")
            if wrong := wrong_role(state, body.get("role")) or no_admin(directory, organization, body.get("inviter_user_id"), "inviter_user_id"):
                return wrong
            known = directory.user_by_email(address)
            if known and directory.membership(known["id"], organization):
                return problem(400, "already_a_member_in_organization", f"{address} is already a member of the organization.", "email_address")
            if any(i["status"] == "pending" and i["email_address"].lower() == address.lower() for i in of(organization)):
                return problem(400, "duplicate_record", f"There are already pending invitations for the following email addresses: {address}", "email_address")
            return JSONResponse(directory.invite(organization, address, body["role"], body.get("inviter_user_id")))
        wanted, addresses = request.query_params.getlist("status"), [a.lower() for a in request.query_params.getlist("email_address")]
        return listed(request, [i for i in of(organization) if (not wanted or i["status"] in wanted) and (not addresses or i["email_address"].lower() in addresses)])

    def invitation_of(request: Request) -> Json | None:
        return next((i for i in of(request.path_params["id"]) if i["id"] == request.path_params["invitation"]), None)

    async def invitation(request: Request) -> Response:
        found = invitation_of(request)
        return JSONResponse(found) if found else missing("invitation", request.path_params["invitation"])

    async def revoke(request: Request) -> Response:
        found = invitation_of(request)
        if found is None:
            return missing("invitation", request.path_params["invitation"])
        if wrong := no_admin(directory, found["organization_id"], (await read_object(request)).get("requesting_user_id"), "requesting_user_id"):
            return wrong
        if found["status"] != "pending":
            return problem(400, "organization_invitation_not_pending", "The organization invitation is not pending.")
        return JSONResponse(directory.revoke(found))

    return [api("/organizations/{id}/invitations", invitations, "GET", "POST"), api("/organizations/{id}/invitations/{invitation}", invitation), api("/organizations/{id}/invitations/{invitation}/revoke", revoke, "POST")]


def user_routes(state: State, directory: Directory) -> list[Route]:
    async def users(request: Request) -> Response:
        if request.method == "POST":
            body = await read_object(request)
            addresses = [email_address(str(a)) for a in body.get("email_address", [])]
            given: Json = {k: body[k] for k in USER_FIELDS & body.keys()}
            if addresses:
                given.update(email_addresses=addresses, primary_email_address_id=addresses[0]["id"])
            return JSONResponse(directory.user(**given))
        return JSONResponse(page_of(request, list(state.data["users"].values())))  # a bare array, unlike the organisations

    async def user(request: Request) -> Response:
        found = state.data["users"].get(request.path_params["id"])
        if found is None:
            return missing("user", request.path_params["id"])
        if request.method == "DELETE":
            return JSONResponse(directory.drop_user(found["id"]))
        if request.method == "PATCH":
            body = await read_object(request)
            if unknown := sorted(body.keys() - USER_FIELDS):
                return problem(422, "form_param_unknown", f"{unknown[0]} is not a valid parameter for this request.", unknown[0])
            directory.change_user(found, **body)
        return JSONResponse(found)

    async def memberships_of_user(request: Request) -> Response:
        if request.path_params["id"] not in state.data["users"]:
            return missing("user", request.path_params["id"])
        return listed(request, directory.memberships(user=request.path_params["id"]))

    return [api("/users", users, "GET", "POST"), api("/users/{id}", user, "GET", "PATCH", "DELETE"), api("/users/{id}/organization_memberships", memberships_of_user)]


def routes(state: State, directory: Directory) -> list[Route]:
    async def jwks(request: Request) -> Response:
        return JSONResponse({"keys": public_keys(state, "operator" if request.url.path.startswith("/operator/") else "clerk")})

    async def ticket(request: Request) -> Response:
        """Where the link in an invitation's e-mail leads: whoever follows it is a member."""
        found = state.data["invitations"].get(request.query_params.get("ticket", ""))
        if found is None or found["status"] != "pending":
            return missing("ticket", request.query_params.get("ticket"))
        directory.accept(found, None)
        return RedirectResponse(state.base + "/sandbox", 303)

    return [Route("/.well-known/jwks.json", jwks), Route("/operator/.well-known/jwks.json", jwks), api("/jwks", jwks), Route("/v1/tickets/accept", ticket), *organization_routes(state, directory),
            *membership_routes(state, directory), *invitation_routes(state, directory), *user_routes(state, directory)]
