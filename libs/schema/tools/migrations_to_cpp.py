#!/usr/bin/env python3
"""Embeds the migrations of all libs and services into one source file, in order of their timestamps."""
import pathlib
import re
import sys

out, *files = map(pathlib.Path, sys.argv[1:])
steps = []
for path in files:
    match = re.fullmatch(r"(\d{14})_([a-z0-9_]+)\.sql", path.name)
    if not match:
        sys.exit(f"{path}: a migration is named <YYYYMMDDhhmmss>_<name>.sql")
    steps.append((match.group(1), match.group(2), path))
steps.sort()
for a, b in zip(steps, steps[1:]):
    if a[0] == b[0]:
        sys.exit(f"{b[2]}: has the timestamp of {a[2]}")
lines = ['// Generated from the migrations/ folders.', '#include "schema/schema.hpp"', "", "namespace otto::schema {", "namespace {", "constexpr pg::Migration kAll[] = {"]
for version, name, path in steps:
    text = path.read_text()
    parts = [text[i:i + 12000] for i in range(0, len(text), 12000)]  # compilers limit the length of one literal
    literal = "\n".join(f'R"sql({part})sql"' for part in parts)
    lines.append(f'    {{"{version}", "{name}", {literal}}},')
lines += ["};", "}  // namespace", "std::span<const pg::Migration> all() { return kAll; }",
          f'std::string_view latest() {{ return "{steps[-1][0]}"; }}', "}  // namespace otto::schema", ""]
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text("\n".join(lines))
