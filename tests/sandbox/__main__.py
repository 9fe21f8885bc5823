"""python -m sandbox --port N --state-dir DIR"""

import argparse
import pathlib

import uvicorn

from .app import make_app
from .state import State


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox", description="stand-ins for CallRail and Clerk")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--state-dir", type=pathlib.Path, required=True, help="keys, organisations and accounts survive a restart here")
    args = parser.parse_args()
    state = State(args.state_dir, f"http://127.0.0.1:{args.port}")
    uvicorn.run(make_app(state), host="127.0.0.1", port=args.port, log_level="warning", access_log=False)


main()
