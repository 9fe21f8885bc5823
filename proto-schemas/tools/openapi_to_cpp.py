#!/usr/bin/env python3
"""Embeds openapi.yaml: as JSON for GET /openapi.json, and as a page to read for GET /docs. YAML's anchors are resolved by reading it."""
import html
import json
import pathlib
import sys

import yaml


class Strict(yaml.SafeLoader):
    """YAML whose mappings have each key once; PyYAML would take the last one and say nothing."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise SystemExit(f"{source}: '{name}' stands twice, in line {seen[name]} and in line {key.start_mark.line + 1}")
            seen[name] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def page(document):
    out = [f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(document['info']['title'])}</title>",
           "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}code{background:#f3f3f3;padding:.1em .3em}"
           "details{border-bottom:1px solid #ddd;padding:.4rem 0}summary{cursor:pointer}.m{display:inline-block;width:4.5rem;font-weight:600}.r{color:#666}table{border-collapse:collapse}td{padding:.1rem .8rem .1rem 0;vertical-align:top}</style>",
           f"<h1>{html.escape(document['info']['title'])}</h1><p>{html.escape(document['info']['description'])}</p><p><a href='/openapi.json'>openapi.json</a></p>"]
    for tag in document["tags"]:
        out.append(f"<h2>{html.escape(tag['name'])}</h2><p>{html.escape(tag['description'])}</p>")
        for path, item in document["paths"].items():
            for method, op in item.items():
                if method == "parameters" or tag["name"] not in op.get("tags", []):
                    continue
                out.append(f"<details><summary><span class='m'>{method.upper()}</span><code>{html.escape(path)}</code> {html.escape(op['summary'])} <span class='r'>{', '.join(op['x-roles'])}</span></summary>")
                if op.get("description"):
                    out.append(f"<p>{html.escape(op['description'])}</p>")
                rows = []
                for p in item.get("parameters", []) + op.get("parameters", []):
                    if "$ref" in p:
                        p = document["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]]
                    rows.append(f"<tr><td><code>{html.escape(p['name'])}</code></td><td>{p['in']}</td><td>{html.escape(p.get('description', ''))}</td></tr>")
                if rows:
                    out.append("<table>" + "".join(rows) + "</table>")
                out.append("<p>Answers: " + ", ".join(f"<code>{c}</code>" for c in op["responses"]) + "</p></details>")
    return "".join(out) + "</html>"


def literal(text):
    return "\n".join(f'    R"text({text[i:i + 8000]})text"' for i in range(0, len(text), 8000))


def standalone(node):
    """A schema as draft 4 takes it: references laid in, nullability and constants as enumerations."""
    if isinstance(node, list):
        return [standalone(n) for n in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return standalone(document["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]])
    return {k: standalone(v) for k, v in node.items() if k != "description"}


def schemas():
    """The schemas by which services check what they are given: those marked x-checked."""
    for name, schema in document["components"]["schemas"].items():
        if schema.get("x-checked"):
            plain = standalone({k: v for k, v in schema.items() if k != "x-checked"})
            yield f'  if (name == "{name}") return R"text({json.dumps(plain, separators=(",", ":"))})text";\n'


source, out = map(pathlib.Path, sys.argv[1:3])
document = yaml.load(source.read_text(), Strict)
if len(sys.argv) > 3:
    pathlib.Path(sys.argv[3]).write_text(json.dumps(document))
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text("// Generated from openapi.yaml.\n#include \"openapi.hpp\"\n\nnamespace otto {\n"
               f"std::string_view openapi_json() {{\n  return\n{literal(json.dumps(document, separators=(',', ':')))};\n}}\n"
               f"std::string_view openapi_page() {{\n  return\n{literal(page(document))};\n}}\n"
               f"std::string_view openapi_schema(std::string_view name) {{\n{''.join(schemas())}  return {{}};\n}}\n}}  // namespace otto\n")
