#!/usr/bin/env python3
"""Joins http/*.yaml into one OpenAPI 3.1 document and writes what is made of it.

    openapi.py HTTP_FOLDER --cpp openapi.cpp --json openapi.json --words words.hpp

../README.md says what the short forms of the sources mean. Whatever cannot be meant is refused: a key that stands twice, in one
file or in two; a name that nothing bears; a word that is no keyword; a schema that nothing uses.
"""
import argparse
import html
import json
import pathlib
import re

import yaml

METHODS = ("get", "post", "put", "patch", "delete")
SCHEMA = set("""type properties required additionalProperties items enum const format pattern minLength maxLength minimum maximum
minItems maxItems minProperties maxProperties description default examples contentEncoding writeOnly anyOf allOf oneOf not $ref x-list
x-checked""".split())
SHORT = {"with", "optional", "columns", "part_of"}  # ours; the document has none of them
OPERATION = set("""operationId summary description security x-roles x-audit x-audit-reason parameters takes requestBody list answer
responses errors""".split())
OF_ALL = {"Unauthorized", "Forbidden", "Invalid", "TooMany", "Unavailable"}  # errors of an operation behind a token
OF_WRITES = {"Conflict", "TooLarge", "UnsupportedType"}


class Strict(yaml.SafeLoader):
    """YAML whose mappings have each key once; PyYAML would take the last one and say nothing."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            line = key.start_mark.line + 1
            if name in seen:
                raise SystemExit(f"{key.start_mark.name}: '{name}' stands twice, in line {seen[name]} and in line {line}")
            seen[name] = line
        return super().construct_mapping(node, deep)


def load(path):
    with path.open() as stream:
        return yaml.load(stream, Strict) or {}


def ref(kind, name):
    return {"$ref": f"#/components/{kind}/{name}"}


def json_body(schema):
    return {"content": {"application/json": {"schema": schema}}}


class Contract:
    """The sources, joined. `document` is the standard OpenAPI document."""

    def __init__(self, folder):
        frame = load(folder / "api.yaml")
        self.sources = {"api": {k: frame.pop(k, {}) for k in ("parameters", "schemas")}}
        self.errors = frame.pop("errors")
        for tag in frame["tags"]:
            path = folder / f"{tag['name']}.yaml"
            if not path.exists():
                raise SystemExit(f"api.yaml: the tag '{tag['name']}' has no file {path.name}")
            self.sources[tag["name"]] = load(path)
        for path in folder.glob("*.yaml"):
            if path.stem not in self.sources:
                raise SystemExit(f"{path.name}: api.yaml has no tag '{path.stem}'")
        self.named = {kind: self.joined(kind) for kind in ("paths", "parameters", "schemas")}
        self.flat, self.made, self.bases = {}, {}, {"Page"}
        paths = {path: self.path(path, item, tag) for path, (item, tag) in self.named["paths"].items()}
        self.document = {k: frame[k] for k in ("openapi", "info", "servers", "security", "tags")} | {
            "paths": paths,
            "components": {
                "securitySchemes": frame["securitySchemes"],
                "parameters": {name: self.parameter(p, name) for name, (p, _) in self.named["parameters"].items()},
                "responses": {name: self.error(e) for name, e in self.errors.items()},
                "schemas": {name: self.component(name) for name in self.named["schemas"]} | self.made}}
        self.keep_what_is_used()

    def joined(self, kind):
        """name -> (value, its file)"""
        out = {}
        for file, source in self.sources.items():
            for unknown in set(source) - {"paths", "parameters", "schemas"}:
                raise SystemExit(f"{file}.yaml: '{unknown}' is neither paths nor parameters nor schemas")
            for name, value in (source.get(kind) or {}).items():
                if name in out:
                    raise SystemExit(f"{file}.yaml: '{name}' stands in {out[name][1]}.yaml too")
                out[name] = (value, file)
        return out

    def keep_what_is_used(self):
        """A schema that only others are made of is not in the document; one that is used by nothing is a mistake."""
        components = self.document["components"]
        used, open_ = set(), [self.document["paths"]]
        while open_:
            node = open_.pop()
            if isinstance(node, dict):
                to = node.get("$ref")
                if to and to not in used:
                    used.add(to)
                    open_.append(components[to.split("/")[2]][to.split("/")[3]])
                open_ += node.values()
            elif isinstance(node, list):
                open_ += node
        for kind in ("parameters", "responses", "schemas"):
            for name in [n for n in components[kind] if ref(kind, n)["$ref"] not in used]:
                if kind != "schemas" or name not in self.bases:
                    raise SystemExit(f"{kind}: '{name}' is used by nothing")
                del components[kind][name]

    # -- schemas

    def refer(self, name, where):
        """What a name stands for; `Name | null` may also be null."""
        plain = name.removesuffix(" | null")
        if plain not in self.named["schemas"]:
            raise SystemExit(f"{where}: there is no schema '{plain}'")
        to = ref("schemas", plain)
        return {"anyOf": [to, {"type": "null"}]} if name != plain else to

    def component(self, name):
        if name not in self.flat:
            self.flat[name] = None  # under way
            self.flat[name] = self.schema(self.named["schemas"][name][0], name)
        if self.flat[name] is None:
            raise SystemExit(f"schemas: '{name}' contains itself by `with`")
        return self.flat[name]

    def schema(self, node, where):
        if isinstance(node, str):
            return self.refer(node, where)
        if not isinstance(node, dict):
            return node
        if unknown := set(node) - SCHEMA - SHORT:
            raise SystemExit(f"{where}: '{sorted(unknown)[0]}' is no word of a schema")
        properties, required = self.members(node, where)
        out = {"type": "object"} if "with" in node else {}
        for key, value in node.items():
            if key == "$ref":
                out |= self.refer(value, where)
            elif key in ("items", "additionalProperties", "not"):
                out[key] = self.schema(value, f"{where}.{key}")
            elif key in ("anyOf", "allOf", "oneOf"):
                out[key] = [self.schema(v, where) for v in value]
            elif key not in SHORT | {"properties", "required"}:
                out[key] = value
        if required:
            out["required"] = required
        if properties:
            out["properties"] = properties
        return out

    def members(self, node, where):
        """Properties, those of `with` first, and which of them are always there."""
        properties, required = {}, []
        for base in [node["with"]] if "with" in node else []:
            self.refer(base, where)
            self.bases.add(base)
            properties |= self.component(base)["properties"]
            required += self.component(base).get("required", [])
        own, always = node.get("properties", {}), node.get("required", [])
        if always == "all":
            always = [k for k, v in own.items() if not (isinstance(v, dict) and v.get("optional"))]
        properties |= {k: self.schema(v, f"{where}.{k}") for k, v in own.items()}
        return properties, required + [n for n in always if n not in required]

    def envelope(self, data):
        return {"type": "object", "required": ["success", "data", "meta"],
                "properties": {"success": {"const": True}, "data": data, "meta": self.refer("Meta", "an answer")}}

    def make(self, name, schema):
        if name in self.named["schemas"] or self.made.setdefault(name, schema) != schema:
            raise SystemExit(f"schemas: '{name}' is made of an answer, and stands there too")
        return ref("schemas", name)

    def answer_of(self, name, where):
        return self.make(name.removesuffix("Item") + "Answer", self.envelope(self.refer(name, where)))

    def list_of(self, name, beside, where):
        properties, required = {"items": {"type": "array", "items": self.refer(name, where)}}, ["items"]
        for part in ("Page", *beside):
            self.bases.add(part)
            properties |= self.component(part)["properties"]
            required += self.component(part)["required"]
        data = {"type": "object", "required": required, "properties": properties}
        return self.make(name.removesuffix("Item") + "List", self.envelope(data))

    # -- operations

    def error(self, error):
        content = {"application/problem+json": {"schema": ref("schemas", "Problem")}}
        return {k: v for k, v in error.items() if k != "status"} | {"content": content}

    def parameter(self, p, where):
        if isinstance(p, str):
            if p not in self.named["parameters"]:
                raise SystemExit(f"{where}: there is no parameter '{p}'")
            return ref("parameters", p)
        where = f"{where}, {p['name']}"
        if "any_of" not in p:
            return {k: self.schema(v, where) if k == "schema" else v for k, v in p.items()}
        item = {"type": p["any_of"]} if p["any_of"] in ("string", "integer") else self.refer(p["any_of"], where)
        return {"name": p["name"], "in": "query", "description": p.get("description", "Any of these."),
                "style": "form", "explode": False, "schema": {"type": "array", "minItems": 1, "maxItems": p.get("most", 50), "items": item}}

    def response(self, r, where):
        if unknown := set(r) - {"description", "headers", "content", "of", "schema"}:
            raise SystemExit(f"{where}: '{sorted(unknown)[0]}' is no word of an answer")
        out = {k: v for k, v in r.items() if k not in ("of", "schema")}
        if "of" in r:
            return out | json_body(self.answer_of(r["of"], where))
        return out | json_body(self.schema(r["schema"], where)) if "schema" in r else out

    def path(self, path, item, tag):
        if "same_as" in item:
            if item["same_as"] not in self.named["paths"]:
                raise SystemExit(f"{path}: there is no path '{item['same_as']}'")
            same = self.path(item["same_as"], *self.named["paths"][item["same_as"]])
            return {k: v | {"operationId": v["operationId"] + item["as"]} if k in METHODS else v for k, v in same.items()}
        out = {}
        for key, value in item.items():
            if key == "parameters":
                out[key] = [self.parameter(p, path) for p in value]
            elif key in METHODS:
                out[key] = self.operation(f"{key.upper()} {path}", key, path, value, tag)
            else:
                raise SystemExit(f"{path}: '{key}' is no method")
        return out

    def operation(self, where, method, path, op, tag):
        if unknown := set(op) - OPERATION:
            raise SystemExit(f"{where}: '{sorted(unknown)[0]}' is no word of an operation")
        if missing := {"operationId", "summary", "x-roles"} - set(op):
            raise SystemExit(f"{where}: has no {sorted(missing)[0]}")
        signed_in, writes = "security" not in op, method != "get"
        self.check_audit(where, writes, op)
        parameters = [self.parameter(p, where) for p in op.get("parameters", [])]
        if "list" in op:
            both = [way + by for by in op["list"]["sort"] for way in ("", "-")]
            sort = {"name": "sort", "in": "query", "schema": {"enum": both, "default": op["list"]["default"]}}
            parameters[:0] = [*(ref("parameters", p) for p in ("Limit", "Offset", "Cursor")), sort]
        if signed_in and writes:
            parameters.insert(0, ref("parameters", "IdempotencyKey"))
        out = {"tags": [tag]} | {k: op[k] for k in ("operationId", "summary", "description", "security", "x-roles", "x-audit", "x-audit-reason") if k in op}
        if parameters:
            out["parameters"] = parameters
        if "takes" in op:
            takes = op["takes"] if isinstance(op["takes"], dict) else {"of": op["takes"]}
            body = json_body(self.refer(takes["of"], where))
            if takes.get("form"):
                body["content"]["application/x-www-form-urlencoded"] = body["content"]["application/json"]
            out["requestBody"] = body
        elif "requestBody" in op:
            out["requestBody"] = op["requestBody"]
        errors = set(op.get("errors", [])) | (OF_ALL if signed_in else set())
        errors |= ({"NotFound"} if signed_in and "{" in path else set()) | (OF_WRITES if signed_in and writes else set())
        return out | {"responses": dict(sorted((self.successes(op, where) | self.failures(errors, where)).items()))}

    def check_audit(self, where, writes, op):
        """What a write is called in audit_log, or why it has no line there."""
        action, reason = op.get("x-audit"), op.get("x-audit-reason")
        if not writes and (action or reason):
            raise SystemExit(f"{where}: a read leaves no line in audit_log")
        if writes and not re.fullmatch("none|[a-z_]+\\.[a-z_]+", action or ""):
            raise SystemExit(f"{where}: has no x-audit; it is what its line in audit_log is called, as task.create, or none with an x-audit-reason")
        if writes and (action == "none") != bool(reason):
            raise SystemExit(f"{where}: an x-audit-reason stands beside `x-audit: none`, and nowhere else")

    def writes(self):
        """Method and path of each write, and what its line in audit_log is called; "" for one without."""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method != "get" and method in item:
                    action = item[method]["x-audit"]
                    yield f"{method.upper()} {path}", "" if action == "none" else action

    def successes(self, op, where):
        out = {str(status): self.response(r, where) for status, r in op.get("responses", {}).items()}
        if "answer" in op:
            answer = {k: v for k, v in op["answer"].items() if k != "status"}
            out[str(op["answer"].get("status", 200))] = self.response(answer, where)
        if "list" in op:
            beside = [op["list"]["with"]] if "with" in op["list"] else []
            out["200"] = {"description": "A list."} | json_body(self.list_of(op["list"]["of"], beside, where))
        if not out:
            raise SystemExit(f"{where}: answers nothing")
        return out

    def failures(self, errors, where):
        if unknown := errors - set(self.errors):
            raise SystemExit(f"{where}: there is no error '{sorted(unknown)[0]}'")
        return {str(self.errors[name]["status"]): ref("responses", name) for name in errors}

    # -- enumerations

    def enumerations(self):
        """Schemas that are a choice of words: name, words, the columns that hold just these."""
        for name, (node, _) in sorted(self.named["schemas"].items()):
            if isinstance(node, dict) and "enum" in node:
                whole = node.get("part_of")
                if whole and not set(node["enum"]) <= set(self.named["schemas"][whole][0]["enum"]):
                    raise SystemExit(f"schemas: '{name}' has a word that {whole} has not")
                yield name, node["enum"], node.get("columns", [])


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code{background:#f3f3f3;padding:.1em .3em}details{border-bottom:1px solid #ddd;padding:.4rem 0}summary{cursor:pointer}
.m{display:inline-block;width:4.5rem;font-weight:600}.r{color:#666}table{border-collapse:collapse}
td{padding:.1rem .8rem .1rem 0;vertical-align:top}"""


def page(document):
    """The document, to read."""
    esc = html.escape
    title = esc(document["info"]["title"])
    out = [f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>",
           f"<h1>{title}</h1><p>{esc(document['info']['description'])}</p><p><a href='/openapi.json'>openapi.json</a></p>"]
    for tag in document["tags"]:
        out.append(f"<h2>{esc(tag['name'])}</h2><p>{esc(tag['description'])}</p>")
        for path, item in document["paths"].items():
            for method, op in item.items():
                if method != "parameters" and tag["name"] in op["tags"]:
                    out += operation_page(document, path, method, op, item.get("parameters", []))
    return "".join(out) + "</html>"


def operation_page(document, path, method, op, shared):
    esc = html.escape
    head = f"<span class='m'>{method.upper()}</span><code>{esc(path)}</code> {esc(op['summary'])}"
    out = [f"<details><summary>{head} <span class='r'>{', '.join(op['x-roles'])}</span></summary>"]
    if op.get("description"):
        out.append(f"<p>{esc(op['description'])}</p>")
    rows = []
    for p in shared + op.get("parameters", []):
        if "$ref" in p:
            p = document["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]]
        rows.append(f"<tr><td><code>{esc(p['name'])}</code></td><td>{p['in']}</td><td>{esc(p.get('description', ''))}</td></tr>")
    if rows:
        out.append("<table>" + "".join(rows) + "</table>")
    return [*out, "<p>Answers: " + ", ".join(f"<code>{c}</code>" for c in op["responses"]) + "</p></details>"]


def standalone(document, node):
    """A schema as draft 4 takes it: references laid in."""
    if isinstance(node, list):
        return [standalone(document, n) for n in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return standalone(document, document["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]])
    return {k: standalone(document, v) for k, v in node.items() if k not in ("description", "x-checked")}


def cpp(document):
    def compact(value):
        return json.dumps(value, separators=(",", ":"))

    def literal(text):
        return "\n".join(f'    R"text({text[i:i + 8000]})text"' for i in range(0, len(text), 8000))

    checked = "".join(f'  if (name == "{name}") return R"text({compact(standalone(document, schema))})text";\n'
                      for name, schema in document["components"]["schemas"].items() if schema.get("x-checked"))
    return f"""// Generated from http/*.yaml.
#include "openapi.hpp"

namespace otto {{
std::string_view openapi_json() {{
  return
{literal(compact(document))};
}}
std::string_view openapi_page() {{
  return
{literal(page(document))};
}}
std::string_view openapi_schema(std::string_view name) {{
{checked}  return {{}};
}}
}}  // namespace otto
"""


def words(enumerations, writes):
    routes = "\n".join(f'    {{"{route}", "{action}"}},' for route, action in writes)
    lists, columns = [], []
    for name, values, where in enumerations:
        constant = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        listed = ", ".join(json.dumps(v) for v in values)
        lists.append(f"inline constexpr std::array<std::string_view, {len(values)}> {constant}{{{listed}}};")
        columns += [(column, constant) for column in where]
    rows = "\n".join(f'    {{"{column}", {constant}}},' for column, constant in sorted(columns))
    return f"""// Generated from http/*.yaml.
#pragma once
#include <array>
#include <span>
#include <string_view>

/// The words of the HTTP contract: each enumeration that has a name there.
namespace otto::words {{

{chr(10).join(lists)}

/// Columns that hold just the words of one enumeration; a test compares them with their CHECKs.
struct Column {{
    std::string_view name;  ///< "calls.status"
    std::span<const std::string_view> words;
}};
inline constexpr Column columns[] = {{
{rows}
}};

/// What each write's line in audit_log is called (x-audit).
struct Write {{
    std::string_view route;   ///< "POST /api/v1/tasks"
    std::string_view action;  ///< "task.create"; "": it leaves none
}};
inline constexpr Write writes[] = {{
{routes}
}};

}}  // namespace otto::words
"""


def main():
    parser = argparse.ArgumentParser(prog="openapi.py")
    parser.add_argument("folder", type=pathlib.Path)
    for name in ("cpp", "json", "words"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    args = parser.parse_args()
    contract = Contract(args.folder)
    made = {args.cpp: cpp(contract.document), args.json: json.dumps(contract.document, indent=1) + "\n",
            args.words: words(list(contract.enumerations()), list(contract.writes()))}
    for path, text in made.items():
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()
