"""Removed means out: whatever a removed member's token asks for, in whichever service, it is refused before anything is read or written."""

import re

from conftest import eventually
from test_people import clerk, firm, someone  # noqa: F401  (fixtures)

PEOPLE = {"csr", "sales_rep", "manager", "executive", "any"}


def routes_of_people(stack):
    """All that the contract lets somebody's token ask for; a new route is in by itself."""
    document = stack.http.get("/openapi.json").json()
    return [(method.upper(), path) for path, item in document["paths"].items() for method, operation in item.items() if method in {"get", "post", "put", "patch", "delete"} and PEOPLE & set(operation.get("x-roles", []))]


def test_every_route_of_every_service_refuses_a_removed_member(stack, clerk, firm):  # noqa: F811
    routes, user = routes_of_people(stack), someone()
    assert len(routes) > 60
    token = stack.token("manager", firm.id, user=user)

    def ask(method, path):
        return stack.http.request(method, re.sub(r"\{[^}]*\}", firm.id, path), headers={"Authorization": f"Bearer {token}"}, **({} if method == "GET" else {"json": {}}))

    def let_in():
        """The first that knows nothing of the removal yet; what else may be 403 does not pass for it."""
        return next((f"{method} {path}: {a.status_code} {a.text[:200]}" for method, path in routes if (a := ask(method, path)).status_code != 403 or "removed" not in a.text), None)

    clerk.deliver(firm.id, user=user)
    assert ask("GET", "/api/v1/calls").status_code == 200
    clerk.member(firm.id, user, None)
    clerk.deliver(firm.id, user=user, type="organizationMembership.deleted")
    # Each service learns of it by itself, within 5 s; GET alone while they do, that nothing is changed by who is still let in.
    eventually(lambda: all(ask(m, p).status_code == 403 for m, p in routes if m == "GET"), within=5, what="the removal in every service")
    first = let_in()
    assert first is None, first
    print(f"{len(routes)} routes refused, each with the reason")
