"""What each program says of itself: `<program> --describe`."""

import dataclasses
import json
import os
import pathlib
import subprocess

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
BESIDE = ("all-in-one", "ottoctl")  # programs that are no service


@dataclasses.dataclass
class Program:
    name: str
    services: list[dict]       # one, but all of them for all-in-one and none for ottoctl
    settings: dict[str, dict]  # by environment name
    metrics: list[dict]
    version: str = ""
    schema: str = ""

    @property
    def service(self) -> dict:
        return self.services[0]

    def needs(self, what: str) -> bool:
        return any(what in s["needs"] for s in self.services)

    @property
    def consumers(self) -> list[dict]:
        return [c for s in self.services for c in s["consumers"]]

    @property
    def routed(self) -> bool:
        return any(s["routes"] for s in self.services)

    def sessions(self, lanes: int) -> int:
        return sum(s["sessions"]["each_lane"] * lanes + s["sessions"]["others"] for s in self.services if s.get("sessions"))


def folder() -> pathlib.Path:
    """Where the built programs are: OTTO_BIN, else what the presets build."""
    given = os.environ.get("OTTO_BIN")
    for path in [pathlib.Path(given)] if given else [REPO / ".build" / preset / "bin" for preset in ("dev", "release")]:
        if (path / "ottoctl").exists():
            return path
    raise SystemExit("k8s/generate: there are no built programs; build them (cmake --build --preset dev --target programs), or name their folder in OTTO_BIN")


def described(program: pathlib.Path) -> Program:
    done = subprocess.run([program, "--describe"], capture_output=True, text=True, check=False, env={})
    if done.returncode != 0:
        raise SystemExit(f"k8s/generate: {program} --describe ended with {done.returncode}: {done.stderr.strip()}; build it anew")
    it = json.loads(done.stdout)
    return Program(it["program"], it["services"], {s["name"]: s for s in it["settings"]}, it["metrics"], it["version"], it["schema"])


def programs() -> dict[str, Program]:
    where = folder()
    names = sorted(p.parent.name for p in (REPO / "services").glob("*/service.json"))
    return {name: described(where / name) for name in [*names, *BESIDE]}
