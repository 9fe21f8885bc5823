"""python -m sandbox --port N --state-dir DIR"""

import argparse
import contextlib
import pathlib
import socket

import uvicorn

from .app import make_app
from .faults import ResettableProtocol
from .state import State


# As a second and a third host the same service is where redirects of recordings lead to: to one that may be let in, and to one that may not.
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def listen(host: str, port: int, until: contextlib.ExitStack) -> socket.socket:
    listening = until.enter_context(socket.socket())
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(128)
    return listening


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox", description="Stand-ins for CallRail, Twilio, Shunya and Clerk; GET /sandbox on the port explains them.")
    parser.add_argument("--port", type=int, default=8090, help="on 127.0.0.1, and on 127.0.0.2 and .3 as other hosts; 0 takes a free one, which is printed")
    parser.add_argument("--hosts", default=",".join(HOSTS), help="three other addresses than 127.0.0.1, .2, .3: where the services are in a network of their own")
    parser.add_argument("--state-dir", type=pathlib.Path, required=True, help="keys, organisations, users, accounts and Shunya's settings survive a restart here")
    args = parser.parse_args()
    hosts = args.hosts.split(",")
    if len(hosts) != len(HOSTS):
        parser.error(f"--hosts {args.hosts}: three addresses are needed, with commas between them")
    with contextlib.ExitStack() as until:
        # Bound before anything else: the tokens' issuer names the port.
        try:
            first = listen(hosts[0], args.port, until)
            port = first.getsockname()[1]
            others = [listen(host, port, until) for host in hosts[1:]]
        except (OSError, OverflowError) as error:
            parser.error(f"--port {args.port}: {error}; name a free port")
        base, elsewhere, private = (f"http://{host}:{port}" for host in hosts)
        app = make_app(State(args.state_dir, base, elsewhere, private))
        print(f"sandbox: {base}/sandbox", flush=True)
        config = uvicorn.Config(app, http=ResettableProtocol, ws="none", proxy_headers=False, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[first, *others])


if __name__ == "__main__":
    main()
