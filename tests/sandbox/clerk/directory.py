"""Who is registered at Clerk: users, organisations, memberships, invitations. Whatever changes is told by a webhook."""

import typing

from ..state import Json, State
from .ids import later, new_id, now_ms

# What the instance's dashboard knows as roles of organisations; POST /sandbox/clerk/settings makes them others.
ROLES = ("org:admin", "org:member", "org:csr", "org:sales_rep", "org:executive")
MONTH_MS = 30 * 86_400_000

Tell = typing.Callable[[str, Json], None]


def email_address(address: str) -> Json:
    return {"id": new_id("idn_"), "object": "email_address", "email_address": address, "verification": {"status": "verified", "strategy": "admin"}}


def email_of(user: Json) -> str:
    return next((a["email_address"] for a in user["email_addresses"] if a["id"] == user["primary_email_address_id"]), "")


class Directory:
    """All changes go through here, under the state's lock, are on disk when they are told, and are told in the order in which they came about."""

    def __init__(self, state: State, tell: Tell) -> None:
        self.state, self._tell = state, tell
        state.data.setdefault("invitations", {})

    # -- users

    def user(self, user: str | None = None, **given: typing.Any) -> Json:
        """The user with that id, made if there is none."""
        user = user or new_id("user_")
        with self.state.lock:
            if user not in self.state.data["users"]:
                at, address = now_ms(), email_address(f"{user.lower()}@sandbox.example")
                self.state.data["users"][user] = {
                    "id": user, "object": "user", "username": None, "first_name": "Sandy", "last_name": "Box", "image_url": "", "has_image": False, "primary_email_address_id": address["id"],
                    "email_addresses": [address], "primary_phone_number_id": None, "phone_numbers": [], "primary_web3_wallet_id": None, "web3_wallets": [], "passkeys": [], "external_accounts": [],
                    "saml_accounts": [], "enterprise_accounts": [], "password_enabled": True, "two_factor_enabled": False, "totp_enabled": False, "backup_code_enabled": False, "public_metadata": {},
                    "private_metadata": {}, "unsafe_metadata": {}, "external_id": None, "last_sign_in_at": None, "banned": False, "locked": False, "created_at": at, "updated_at": at, **given}
                self._changed("user.created", self.state.data["users"][user])
            return typing.cast(Json, self.state.data["users"][user])

    def change_user(self, found: Json, **given: typing.Any) -> Json:
        with self.state.lock:
            found.update(given, updated_at=later(found["updated_at"]))
            self._changed("user.updated", found)
            return found

    def drop_user(self, user: str) -> Json:
        """Of the memberships that end with a user Clerk tells nothing of their own."""
        with self.state.lock:
            gone = self.state.data["users"].pop(user)
            self.state.data["memberships"] = [m for m in self.state.data["memberships"] if m["user"] != user]
            stub = {"object": "user", "id": user, "deleted": True, **({"external_id": gone["external_id"]} if gone["external_id"] else {})}
            self._changed("user.deleted", stub)
            return stub

    def user_by_email(self, address: str) -> Json | None:
        return next((u for u in self.state.data["users"].values() if any(a["email_address"].lower() == address.lower() for a in u["email_addresses"])), None)

    # -- organisations

    def organization(self, name: str, created_by: str | None, organization: str | None = None, **given: typing.Any) -> Json:
        organization, at = organization or new_id("org_"), now_ms()
        made = {"object": "organization", "id": organization, "name": name, "slug": organization.lower().replace("_", "-"), "image_url": "", "has_image": False, "max_allowed_memberships": 5,
                "admin_delete_enabled": True, "public_metadata": {}, "private_metadata": {}, "created_by": created_by, "created_at": at, "updated_at": at, **given}
        with self.state.lock:
            self.state.data["organizations"][organization] = made
            self._changed("organization.created", self.shown_organization(made))
        return made

    def change_organization(self, found: Json, given: Json) -> Json:
        with self.state.lock:
            found.update(given, updated_at=later(found["updated_at"]))
            self._changed("organization.updated", self.shown_organization(found))
            return found

    def drop_organization(self, found: Json) -> Json:
        with self.state.lock:
            del self.state.data["organizations"][found["id"]]
            self.state.data["memberships"] = [m for m in self.state.data["memberships"] if m["organization"] != found["id"]]
            self.state.data["invitations"] = {k: i for k, i in self.state.data["invitations"].items() if i["organization_id"] != found["id"]}
            stub = {"object": "organization", "id": found["id"], "slug": found["slug"], "deleted": True}
            self._changed("organization.deleted", stub)
            return stub

    def shown_organization(self, organization: Json) -> Json:
        return {**organization, "members_count": sum(m["organization"] == organization["id"] for m in self.state.data["memberships"]),
                "pending_invitations_count": sum(i["organization_id"] == organization["id"] and i["status"] == "pending" for i in self.state.data["invitations"].values())}

    # -- memberships

    def join(self, user: str, organization: str, role: str) -> Json:
        """The one membership of a user in an organisation, with that role from now on."""
        with self.state.lock:
            found = self.membership(user, organization)
            if found is None:
                at = now_ms()
                found = {"id": new_id("orgmem_"), "user": user, "organization": organization, "role": role, "created_at": at, "updated_at": at}
                self.state.data["memberships"].append(found)
                self._changed("organizationMembership.created", self.shown_membership(found))
            elif found["role"] != role:
                found.update(role=role, updated_at=later(found["updated_at"]))
                self._changed("organizationMembership.updated", self.shown_membership(found))
            return found

    def leave(self, found: Json) -> Json:
        """Ends a membership. What is told of its end is the whole membership as it was last: only the event's own timestamp is the moment of the end."""
        with self.state.lock:
            self.state.data["memberships"].remove(found)
            self._changed("organizationMembership.deleted", shown := self.shown_membership(found))
            return shown

    def membership(self, user: str, organization: str) -> Json | None:
        return next((m for m in self.state.data["memberships"] if m["user"] == user and m["organization"] == organization), None)

    def memberships(self, organization: str = "", user: str = "") -> list[Json]:
        """The newest first, as Clerk lists them."""
        return [self.shown_membership(m) for m in reversed(self.state.data["memberships"]) if organization in ("", m["organization"]) and user in ("", m["user"])]

    def shown_membership(self, membership: Json) -> Json:
        user = self.state.data["users"][membership["user"]]
        return {
            "object": "organization_membership", "id": membership["id"], "role": membership["role"], "role_name": role_name(membership["role"]), "permissions": [], "public_metadata": {}, "private_metadata": {},
            "organization": self.shown_organization(self.state.data["organizations"][membership["organization"]]),
            "public_user_data": {"user_id": user["id"], "identifier": email_of(user), "first_name": user["first_name"], "last_name": user["last_name"], "image_url": user["image_url"],
                                 "profile_image_url": user["image_url"], "has_image": False, "username": user["username"], "banned": user["banned"]},
            "created_at": membership["created_at"], "updated_at": membership.get("updated_at", membership["created_at"])}

    # -- invitations

    def invite(self, organization: str, address: str, role: str, inviter: str | None) -> Json:
        at, invitation = now_ms(), new_id("orginv_")
        made = {"object": "organization_invitation", "id": invitation, "email_address": address, "role": role, "role_name": role_name(role), "organization_id": organization, "inviter_id": inviter,
                "public_inviter_data": None, "status": "pending", "public_metadata": {}, "private_metadata": {}, "url": f"{self.state.base}/v1/tickets/accept?ticket={invitation}", "expires_at": at + MONTH_MS,
                "created_at": at, "updated_at": at}
        with self.state.lock:
            self.state.data["invitations"][invitation] = made
            self._changed("organizationInvitation.created", made)
        return made

    def revoke(self, found: Json) -> Json:
        with self.state.lock:
            found.update(status="revoked", updated_at=later(found["updated_at"]))
            self._changed("organizationInvitation.revoked", found)
            return found

    def accept(self, found: Json, user: str | None, **given: typing.Any) -> Json:
        """The invited person signs in, up if need be, and is a member."""
        with self.state.lock:
            known = self.user_by_email(found["email_address"]) if user is None else None
            if known is None:
                address = email_address(found["email_address"])
                known = self.user(user, email_addresses=[address], primary_email_address_id=address["id"], **given)
            found.update(status="accepted", updated_at=later(found["updated_at"]), user_id=known["id"])
            organization = self.state.data["organizations"][found["organization_id"]]
            self._changed("organizationInvitation.accepted", {**found, "data": {"public_organization_data": {name: organization[name] for name in ("id", "name", "slug", "image_url", "has_image")}}})
            self.join(known["id"], found["organization_id"], found["role"])
            return known

    def _changed(self, kind: str, data: Json) -> None:
        self.state.save()
        self._tell(kind, data)


def role_name(role: str) -> str:
    return role.removeprefix("org:").replace("_", " ").capitalize()
