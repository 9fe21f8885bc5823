"""Reads dashboards by the types of Grafana's foundation SDK: a member that Grafana does not know, or of another type, is a line; exit 1 if there is one.

The SDK's from_json takes what it knows and drops the rest without a word. So each member is followed here along the SDK's own annotations: its classes say what a member is called (in from_json) and of what type it is.
"""

import enum
import inspect
import json
import pathlib
import re
import sys
import types
import typing

from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import dashboard, prometheus

QUERIES = {"prometheus": prometheus.Dataquery}


def members(cls: type) -> dict[str, typing.Any]:
    """Name in JSON -> type."""
    hints = typing.get_type_hints(cls, vars(inspect.getmodule(cls)))
    named = dict(re.findall(r'if "(\w+)" in data:(?:(?!if ").)*?args\["(\w+)"\]', inspect.getsource(cls.from_json), re.S))
    return {name: hints[attribute] for name, attribute in named.items()}


def faults(value: typing.Any, kind: typing.Any, at: str) -> list[str]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    wrong = [f"{at}: {json.dumps(value)[:60]} is no {getattr(kind, '__name__', kind)}"]
    if kind in (typing.Any, object):
        return []
    if origin in (typing.Union, types.UnionType):
        if isinstance(value, dict) and dashboard.RowPanel in inner:  # told apart by their type, as Grafana does
            return faults(value, dashboard.RowPanel if value.get("type") == "row" else dashboard.Panel, at)
        return min((faults(value, k, at) for k in inner if (k is type(None)) == (value is None)), key=len, default=wrong)
    if origin is typing.Literal:
        return [] if value in inner else wrong
    if origin is list:
        return [f for i, v in enumerate(value) for f in faults(v, inner[0], f"{at}[{i}]")] if isinstance(value, list) else wrong
    if origin is dict:
        return [f for k, v in value.items() for f in faults(v, inner[1], f"{at}.{k}")] if isinstance(value, dict) else wrong
    if kind is type(None):
        return [] if value is None else wrong
    if kind is variants.Dataquery:
        kind = QUERIES[value["datasource"]["type"]]
    if issubclass(kind, enum.Enum):
        return [] if value in [v.value for v in kind] else wrong
    if hasattr(kind, "from_json"):
        if not isinstance(value, dict):
            return wrong
        known = members(kind)
        return [f for k, v in value.items() for f in ([f"{at}: {kind.__name__} has no {k}"] if k not in known else faults(v, known[k], f"{at}.{k}"))]
    if kind is float:
        return [] if isinstance(value, (int, float)) and not isinstance(value, bool) else wrong
    return [] if type(value) is kind else wrong


def main() -> int:
    found = []
    for path in sys.argv[1:]:
        board = json.loads(pathlib.Path(path).read_text())
        found += faults(board, dashboard.Dashboard, pathlib.Path(path).name)
        # What it must find, or it looks at nothing.
        spoilt = json.loads(json.dumps(board))
        spoilt["panels"][0]["fieldConfig"]["defaults"]["units"] = spoilt["panels"][0]["fieldConfig"]["defaults"].pop("unit")
        spoilt["panels"][0]["targets"][0]["legendFormat"] = 1
        spoilt["panels"][0]["gridPos"]["h"] = "8"
        spoilt["time"]["till"] = "now"
        if len(faults(spoilt, dashboard.Dashboard, "")) != 4 + len(faults(board, dashboard.Dashboard, "")):
            found.append(f"{path}: four spoilt members were not found")
    print("\n".join(found) or f"{len(sys.argv) - 1} dashboards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
