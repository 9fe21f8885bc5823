"""python -m sandbox --port N --state-dir DIR"""

import argparse
import pathlib
import socket

import uvicorn

from .app import make_app
from .faults import ResettableProtocol
from .state import State


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox", description="Stand-ins for CallRail and Clerk; GET /sandbox on the port explains them.")
    parser.add_argument("--port", type=int, default=8090, help="on 127.0.0.1; 0 takes a free one, which is printed")
    parser.add_argument("--state-dir", type=pathlib.Path, required=True, help="keys, organisations, users and accounts survive a restart here")
    args = parser.parse_args()
    # Bound before anything else: the tokens' issuer names the port.
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", args.port))
            listening.listen(128)
        except (OSError, OverflowError) as error:
            parser.error(f"--port {args.port}: {error}; name a free port")
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = make_app(State(args.state_dir, base))
        print(f"sandbox: {base}/sandbox", flush=True)
        config = uvicorn.Config(app, http=ResettableProtocol, ws="none", proxy_headers=False, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
