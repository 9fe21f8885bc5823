"""services.yaml: what a person says, held against its schema and against the programs. A fault names its line and the cure."""

import dataclasses
import json
import pathlib
import re

import yaml

from .programs import BESIDE, Program

HERE = pathlib.Path(__file__).resolve().parent.parent
FIRST = 15  # seconds that the end of a process may take after what is under way is done


class Fault(Exception):
    """Of services.yaml: `line`, what is wrong, what to do."""

    def __init__(self, line: int, what: str, cure: str) -> None:
        super().__init__(f"k8s/services.yaml:{line}: {what}; {cure}")


@dataclasses.dataclass
class Stanza:
    name: str
    kind: str
    replicas: int
    cpu: str
    memory: list[str]
    line: int
    lanes: int = 0
    spool: str = ""
    grace: int = 0
    scale: dict = dataclasses.field(default_factory=dict)

    @property
    def most(self) -> int:
        """How many replicas there can be."""
        return max(self.replicas, self.scale.get("max", 0))


@dataclasses.dataclass
class Stanzas:
    all: dict
    services: dict[str, Stanza]

    def max_connections(self, programs: dict[str, Program]) -> int:
        """What Postgres is set to: 1.3 times what can be in use."""
        return -(-self.sessions(programs) * 13 // 10)

    def sessions(self, programs: dict[str, Program]) -> int:
        return sum(s.most * programs[n].sessions(s.lanes) for n, s in self.services.items())


# ---- the schema, as far as services.schema.json uses JSON Schema
def _lines(node: yaml.Node, path: tuple = ()) -> dict[tuple, int]:
    """The line of each member; of a mapping's member that of its key."""
    out = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            out.update(_lines(value, (*path, key.value)))
            out[(*path, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            out.update(_lines(value, (*path, i)))
    return out


def _doubled(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise Fault(key.start_mark.line + 1, f"'{key.value}' stands there twice", "keep one")
            seen.add(key.value)
            _doubled(value)


_TYPES = {"object": dict, "array": list, "string": str, "integer": int}


def _hold(value, schema: dict, path: tuple, lines: dict[tuple, int]) -> None:
    def fault(what: str, cure: str, at: tuple = path) -> Fault:
        return Fault(lines.get(at, lines[path]), what, cure)

    name = ".".join(str(p) for p in path) or "the file"
    if "type" in schema and (not isinstance(value, _TYPES[schema["type"]]) or isinstance(value, bool)):
        raise fault(f"{name} is {value!r}", f"it takes {'a mapping' if schema['type'] == 'object' else 'a list' if schema['type'] == 'array' else 'a text' if schema['type'] == 'string' else 'a whole number'}")
    if "enum" in schema and value not in schema["enum"]:
        raise fault(f"{name} is {value!r}", f"it takes one of {', '.join(schema['enum'])}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise fault(f"{name} is {value!r}", f"it takes what fits {schema['pattern']}")
    if "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        raise fault(f"{name} is {value}", f"it takes {schema['minimum']} to {schema['maximum']}")
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                raise fault(f"{name} has no {key}", f"add it: {key}: …")
        for key, member in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if inner is False or inner is None:
                raise fault(f"{name} has a key '{key}' that there is not", f"keys are {', '.join(schema['properties'])}", (*path, key))
            _hold(member, inner, (*path, key), lines)
    if isinstance(value, list):
        if not schema["minItems"] <= len(value) <= schema["maxItems"]:
            raise fault(f"{name} has {len(value)} members", f"it takes {schema['minItems']}: [asked for, limit]")
        for i, member in enumerate(value):
            _hold(member, schema["items"], (*path, i), lines)


def mebibytes(size: str) -> int:
    return int(size[:-2]) * (1024 if size.endswith("Gi") else 1)


def read(text: str, programs: dict[str, Program]) -> Stanzas:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        raise Fault(mark.line + 1 if mark else 1, f"is no YAML ({getattr(e, 'problem', e)})", "mend it there") from None
    if node is None:
        raise Fault(1, "is empty", "it holds a stanza for each service, and `all`")
    lines = _lines(node)
    _doubled(node)
    _hold(data, json.loads((HERE / "services.schema.json").read_text()), (), lines)
    out = Stanzas(data["all"], {n: Stanza(name=n, line=lines[(n,)], **s) for n, s in data.items() if n != "all"})
    least = out.all["sleep"] + out.all["drain"]
    for s in out.services.values():
        s.grace = s.grace or (90 if s.kind == "ingress" else least + FIRST)
    known = {n: p for n, p in programs.items() if n not in BESIDE}
    for name, s in out.services.items():
        if name not in known:
            raise Fault(s.line, f"{name} has no program", f"programs are {', '.join(known)}; take the stanza out, or make services/{name}")
        _hold_program(out, s, known[name], lines)
    for name in known:
        if name not in out.services:
            raise Fault(1, f"{name} has no stanza", f"add one, such as  {name}: {{kind: {_kind(known[name])}, replicas: 2, cpu: 100m, memory: [64Mi, 512Mi]}}")
    used = out.sessions(programs)
    if used > out.all["sessions"]:
        rows = sorted(((s.most * programs[n].sessions(s.lanes), n) for n, s in out.services.items()), reverse=True)
        most = out.services[rows[0][1]]
        raise Fault(most.line, f"{used} sessions at Postgres are more than {out.all['sessions']}",
                    f"take lanes or max down, {' and '.join(f'{n} has {k}' for k, n in rows[:2])}")
    return out


def _kind(p: Program) -> str:
    return "ingress" if p.needs("spool") else "consumer" if p.consumers else "http"


def _hold_program(out: Stanzas, s: Stanza, p: Program, lines: dict[tuple, int]) -> None:
    def line(key: str) -> int:
        return lines.get((s.name, key), s.line)

    if s.kind != _kind(p):
        raise Fault(line("kind"), f"{s.name} is no {s.kind}: it {'needs a spool' if p.needs('spool') else 'consumes' if p.consumers else 'neither consumes nor needs a spool'}",
                    f"kind: {_kind(p)}")
    for key, wanted in (("spool", s.kind == "ingress"), ("lanes", s.kind == "consumer")):
        if wanted != bool(getattr(s, key)):
            raise Fault(line(key), f"{s.name} has {'no ' if wanted else ''}{key}, and is a {s.kind}", f"{'add' if wanted else 'take out'} {key}")
    least, most = (mebibytes(m) for m in s.memory)
    if most < least:
        raise Fault(line("memory"), f"{s.name}'s limit of memory is under what it asks for", "memory: [asked for, limit]")
    if s.scale:
        by = "lag" if s.kind == "consumer" else "cpu"
        if s.scale["by"] != by:
            raise Fault(line("scale"), f"{s.name} is a {s.kind} and scales by {s.scale['by']}", f"scale: {{by: {by}, …}}")
        needed, other = ("lag", "at") if by == "lag" else ("at", "lag")
        if needed not in s.scale or other in s.scale:
            raise Fault(line("scale"), f"{s.name} scales by {by} and says not just {needed}", f"scale: {{by: {by}, max: {s.scale['max']}, {needed}: …}}")
        if s.scale["max"] < s.replicas:
            raise Fault(line("scale"), f"{s.name} may have {s.scale['max']} replicas and begins with {s.replicas}", "max is replicas or more")
    if s.lanes * s.most > out.all["partitions"]:
        raise Fault(line("lanes"), f"{s.name} has {s.lanes} lanes × {s.most} pods, and a topic has {out.all['partitions']} partitions: {s.lanes * s.most - out.all['partitions']} lanes would have nothing to do",
                    f"lanes: {max(1, out.all['partitions'] // s.most)}, or max: {max(1, out.all['partitions'] // s.lanes)}")
    least = out.all["sleep"] + out.all["drain"]
    if s.grace < least:
        raise Fault(line("grace"), f"{s.name} is killed after {s.grace} s, while it still serves for {out.all['sleep']} s and drains for {out.all['drain']} s", f"grace: {least + FIRST}")
