"""What a test asks of Clerk's stand-in: tokens."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..commands import read_command
from ..state import State
from .tokens import KINDS, make_token

HELP = """<dt>POST /sandbox/clerk/token</dt>
<dd>role (csr, sales_rep, manager, executive, operator), company?, user?, ttl_s = 3600, version = 2 (Clerk's claims, 1 or 2),
kind = good (or """ + ", ".join(kind for kind in KINDS if kind != "good") + """) &rarr; token, user_id, company_id. Registers the user and the membership.</dd>
"""


def routes(state: State) -> list[Route]:
    async def token(request: Request) -> Response:
        return JSONResponse(make_token(state, await read_command(request, {"role"}, {"company", "user", "ttl_s", "version", "kind"})))

    return [Route("/sandbox/clerk/token", token, methods=["POST"])]
