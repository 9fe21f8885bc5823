#!/usr/bin/env python3
"""deploy/runtime-packages.txt is what the programs are linked with; and the image's bill of materials says what is in it.

usage: image_test.py FOLDER_OF_PROGRAMS
"""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import image  # noqa: E402
import manifest  # noqa: E402

BIN = pathlib.Path(sys.argv.pop())
PROGRAMS = [*manifest.services(), *manifest.PROGRAMS]
# What every Debian has: essential packages, and apt with what it needs.
DEBIAN = {"libc6", "libgcc-s1", "libstdc++6"}
# Asked for by no library: their files are read.
READ = {"ca-certificates", "tzdata"}


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def owners(libraries: set[str]) -> dict[str, str]:
    """Library's file -> Debian's package. Usr-merged names too: dpkg knows a file as it was packed."""
    names = {name: library for library in libraries for real in [os.path.realpath(library)] for name in (library, real, real.removeprefix("/usr"), "/usr" + library)}
    found = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True).stdout
    return {names[name]: package.split(":")[0] for package, name in re.findall(r"^(.*?): (/.*)$", found, re.MULTILINE) if name in names}


def linked() -> tuple[set[str], set[str]]:
    """Libraries that the programs name themselves, and all that are loaded."""
    named, loaded = set(), set()
    for program in PROGRAMS:
        direct = set(re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", str(BIN / program))))
        for name, path in re.findall(r"^\s+(\S+) => (/\S+)", output("ldd", str(BIN / program)), re.MULTILINE):
            loaded.add(path)
            if name in direct:
                named.add(path)
    return named, loaded


def listed() -> set[str]:
    machine = output("dpkg", "--print-architecture").strip()
    out = set()
    for line in (REPO / "deploy/runtime-packages.txt").read_text().splitlines():
        name, *only = line.partition("#")[0].split() or [""]
        if name and (not only or only == [f"[{machine}]"]):
            out.add(name)
    return out


def closure(packages: set[str]) -> set[str]:
    """They and what is installed here of what they depend on."""
    out: set[str] = set()
    left = set(packages)
    while left:
        out |= left
        shown = subprocess.run(["dpkg-query", "-W", "-f", "${Pre-Depends}, ${Depends}\n", *left], capture_output=True, text=True).stdout
        left = {re.split(r"[\s:(]", w.strip(), maxsplit=1)[0] for wish in shown.replace("\n", ",").split(",") for w in wish.split("|")} - out - {""}
    return out


@unittest.skipUnless("VERSION_ID=\"12\"" in pathlib.Path("/etc/os-release").read_text(), "the list has the names that Debian 12 gives its packages")
class Packages(unittest.TestCase):
    def test_are_those_that_the_programs_name(self):
        named, _ = linked()
        of = owners(named)
        self.assertEqual(named - set(of), set(), "libraries of no package")
        needed = set(of.values()) - DEBIAN
        self.assertEqual(listed() - READ - needed, set(), "deploy/runtime-packages.txt has packages that no program is linked with")
        self.assertEqual(needed - listed(), set(), "deploy/runtime-packages.txt lacks packages whose libraries a program is linked with")

    def test_bring_every_library_that_is_loaded(self):
        _, loaded = linked()
        self.assertEqual(set(owners(loaded).values()) - closure(listed() | DEBIAN), set())


STATUS = """\
Package: libpq5
Status: install ok installed
Architecture: amd64
Version: 15.13-0+deb12u1
Maintainer: Debian PostgreSQL Maintainers <team@example.org>
Depends: libc6 (>= 2.36), libssl3 (>= 3.0.0) | libssl4, other

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10

Package: libssl3
Status: deinstall ok config-files
Architecture: amd64
Version: 3.0.16

Package: libssl4t64
Status: install ok installed
Architecture: amd64
Version: 1:4.0
Provides: libssl4 (= 1), libssl
"""


class Bill(unittest.TestCase):
    def made(self) -> dict:
        files = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for path, text in (("var/lib/dpkg/status", STATUS), ("etc/debian_version", "12.12\n"), ("usr/lib/otto/ottoctl", "program")):
            (files / path).parent.mkdir(parents=True, exist_ok=True)
            (files / path).write_text(text)
        return image.bill(files, "libboost1.81-dev 1.81.0-5+deb12u1 amd64\n", "abc", "sha256:" + "0" * 64, 1_700_000_000)

    def test_names_packages_programs_and_what_is_compiled_in(self):
        made = self.made()
        names = {c["name"]: c for c in made["components"]}
        self.assertEqual(set(names), {"debian", "libpq5", "libc6", "libssl4t64", "libboost1.81-dev", "ottoctl"})
        self.assertEqual(names["libpq5"]["purl"], "pkg:deb/debian/libpq5@15.13-0%2Bdeb12u1?arch=amd64&distro=debian-12")
        self.assertEqual(names["libssl4t64"]["purl"], "pkg:deb/debian/libssl4t64@1%3A4.0?arch=amd64&distro=debian-12")
        self.assertEqual(names["ottoctl"]["hashes"], [{"alg": "SHA-256", "content": hashlib.sha256(b"program").hexdigest()}])
        self.assertEqual(made["metadata"]["timestamp"], "2023-11-14T22:13:20Z")

    def test_dependencies_lead_to_what_is_there(self):
        made = self.made()
        refs = [c["bom-ref"] for c in made["components"]] + ["otto"]
        self.assertEqual(len(refs), len(set(refs)))
        of = {d["ref"]: d.get("dependsOn", []) for d in made["dependencies"]}
        self.assertTrue({r for to in of.values() for r in to} <= set(refs))
        libpq = next(r for r in refs if "libpq5" in r)
        self.assertEqual([r.split("@")[0] for r in of[libpq]], ["pkg:deb/debian/libc6", "pkg:deb/debian/libssl4t64"])

    def test_is_the_same_of_the_same_image(self):
        self.assertEqual(json.dumps(self.made()), json.dumps(self.made()))


unittest.main()
