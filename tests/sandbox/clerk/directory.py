"""Who is registered at Clerk: users, organisations, memberships."""

import secrets
import time
import typing

from ..state import Json, State

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


def new_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(27))


def now_ms() -> int:
    return int(time.time() * 1000)


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
