#!/usr/bin/env python3
"""Embeds the migrations of all libs and services into one source file, in order of their timestamps; background steps apart."""
import hashlib
import pathlib
import re
import sys

out, former_file, *files = map(pathlib.Path, sys.argv[1:])
former = {}
for n, line in enumerate(former_file.read_text().splitlines(), 1):
    if not line or line.startswith("#"):
        continue
    match = re.fullmatch(r"(\d{14}) ([0-9a-f]{64}) \S.*", line)
    if not match:
        sys.exit(f"{former_file}:{n}: a line is: <version> <SHA-256 of the former file> <why it was replaced>")
    former.setdefault(match.group(1), []).append(match.group(2))

steps, versions = {"migration": [], "background": []}, {}
for path in files:
    match = re.fullmatch(r"(\d{14})_([a-z0-9_]+)\.sql", path.name)
    if not match:
        sys.exit(f"{path}: a migration is named <YYYYMMDDhhmmss>_<name>.sql")
    version, name = match.groups()
    if version in versions:
        sys.exit(f"{path}: has the timestamp of {versions[version]}")
    versions[version] = path
    text = path.read_text()
    if hashlib.sha256(text.encode()).hexdigest() in former.get(version, []):
        sys.exit(f"{path}: is what {former_file.name} calls its former text")
    said = re.match(r"-- otto: *(\S*)", text)
    if said and said.group(1) not in ("no-transaction", "background"):
        sys.exit(f"{path}: '-- otto: {said.group(1)}' is none: no-transaction or background")
    steps["background" if said and said.group(1) == "background" else "migration"].append((version, name, text))
for version in sorted(set(former) - set(versions)):
    sys.exit(f"{former_file}: there is no migration {version}")


def table(function, array, rows):
    if not rows:
        return [], [f"std::span<const pg::Migration> {function}() {{ return {{}}; }}"]
    lines = [f"constexpr pg::Migration {array}[] = {{"]
    for version, name, text in sorted(rows):
        parts = [text[i:i + 12000] for i in range(0, len(text), 12000)]  # compilers limit the length of one literal
        literal = "\n".join(f'R"sql({part})sql"' for part in parts)
        lines.append(f'    {{"{version}", "{name}", {literal}, "{" ".join(former.get(version, []))}"}},')
    return lines + ["};"], [f"std::span<const pg::Migration> {function}() {{ return {array}; }}"]


all_array, all_function = table("all", "kAll", steps["migration"])
background_array, background_function = table("background", "kBackground", steps["background"])
lines = ["// Generated from the migrations/ folders.", '#include "schema/schema.hpp"', "", "namespace otto::schema {", "namespace {",
         *all_array, *background_array, "}  // namespace", *all_function, *background_function,
         f'std::string_view latest() {{ return "{max(steps["migration"])[0]}"; }}', "}  // namespace otto::schema", ""]
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text("\n".join(lines))
