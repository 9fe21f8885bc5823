#!/usr/bin/env python3
"""Turns sql/*.sql into a header of named queries.

A file holds statements, each begun by a line `-- name: raise_call_status`; comment lines that follow it become the constant's comment.
"""
import argparse
import pathlib
import re
import sys


def statements(path):
    name, doc, body = None, [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.fullmatch(r"--\s*name:\s*([a-z][a-z0-9_]*)\s*", line)
        if match:
            if name:
                yield name, doc, body
            name, doc, body = match.group(1), [], []
        elif name and not body and line.startswith("--"):
            doc.append(line[2:].strip())
        elif name:
            body.append(line)
        elif line.strip() and not line.startswith("--"):
            sys.exit(f"{path}:{number}: a statement before any '-- name:' line")
    if name:
        yield name, doc, body


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    service = args.namespace.replace("otto::", "").removesuffix("::sql")
    lines = ["#pragma once", "// Generated from sql/*.sql.", '#include "pg/query.hpp"', "", f"namespace {args.namespace} {{", ""]
    names = []
    for path in sorted(args.files):
        for name, doc, body in statements(path):
            if name in names:
                sys.exit(f"{path}: the name {name} stands twice")
            text = "\n".join(body).strip().rstrip(";")
            if not text:
                sys.exit(f"{path}: {name} has no statement")
            names.append(name)
            lines += [f"/// {line}" for line in doc]
            lines.append(f'inline constexpr pg::Query {name}{{"{service}.{name}", R"sql({text})sql"}};')
    lines += ["", "/// All of them, for the test that prepares each.", "inline constexpr pg::Query all[] = {" + ", ".join(names) + "};", "", f"}}  // namespace {args.namespace}", ""]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines))


main()
