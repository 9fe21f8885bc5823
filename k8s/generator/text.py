"""YAML as a person would write it: a node that fits on a line stands on one. The same input gives the same bytes."""

import yaml

WIDTH = 160


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def _text(dumper, data):
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def _flow(data) -> str:
    return yaml.dump(data, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True).strip()


def _block(data, indent: int) -> str:
    """Lines of a mapping or a list, each indented."""
    pad = " " * indent
    out = []
    if isinstance(data, dict):
        for key, value in data.items():
            out.append(f"{pad}{_flow_scalar(key)}:{_after(value, indent, len(str(key)) + 1)}")
    else:
        for value in data:
            if isinstance(value, (dict, list)) and value and not _fits(value, indent + 2):
                inner = _block(value, indent + 2)
                out.append(f"{pad}- {inner[indent + 2:]}")
            else:
                out.append(f"{pad}-{_after(value, indent, 1)}")
    return "\n".join(out)


def _flow_scalar(value) -> str:
    return _flow(value).removesuffix("\n...").strip()


def _fits(value, column: int) -> bool:
    flow = _flow(value)
    deep = isinstance(value, dict) and any(isinstance(v, (dict, list)) and v for v in value.values()) and not set(value) <= _JOINED
    return "\n" not in flow and column + len(flow) <= WIDTH and not deep


# Mappings whose members are mappings, and which read better on one line.
_JOINED = {"name", "valueFrom", "configMapKeyRef", "configMap", "httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold", "preStop",
           "sleep", "resource", "target", "secret", "persistentVolumeClaim", "emptyDir", "requests", "limits", "matchLabels", "resources",
           "podSelector", "namespaceSelector", "ports", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities", "labelSelector",
           "topologyKey", "from", "to", "key", "path", "type", "port", "backend"}


def _after(value, indent: int, used: int) -> str:
    if isinstance(value, str) and "\n" in value:
        pad = " " * (indent + 2)
        lines = value.rstrip("\n").split("\n")
        return " |" + ("" if value.endswith("\n") else "-") + "\n" + "\n".join(pad + line if line else "" for line in lines)
    if not isinstance(value, (dict, list)) or not value or _fits(value, indent + used + 1):
        return " " + _flow_scalar(value)
    return "\n" + _block(value, indent + 2)


def document(data: dict) -> str:
    text = _block(data, 0) + "\n"
    if yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) != data:
        raise AssertionError(f"written otherwise than meant:\n{text}")
    return text


def documents(many: list[dict], head: str) -> str:
    lines = "".join(f"# {line}\n" for line in head.splitlines())
    return lines + "---\n".join(document(d) for d in many)
