#!/usr/bin/env python3
"""Fails on an #include against the arrows of the layers, and on a third-party header where it is not hidden.

An include points only to the right:  services > ingress > identity directory providers > runtime > app > http kafka pg events (schema beside pg) > telemetry > base.
Siblings do not see each other, save that identity, directory and ingress may use what stands to the right. Services never include one another, but
all-in-one, which includes each one's service.hpp. testkit sees anything; nothing that ships sees testkit.

usage: check_layers.py ROOT | --self-test
"""
import pathlib
import re
import sys
import tempfile

RANK = {"base": 0, "telemetry": 1, "pg": 2, "kafka": 2, "http": 2, "events": 2, "schema": 3, "app": 4, "runtime": 5, "directory": 6, "identity": 6, "providers": 6, "ingress": 7}
HIDDEN = {  # header prefix -> libs whose src/ may include it
    "boost/": {"http"}, "librdkafka/": {"kafka"}, "libpq-fe.h": {"pg"}, "rapidjson/": {"base"}, "prometheus/": {"telemetry"}, "sqlite3.h": {"ingress"}, "openssl/": {"base", "http"},
    "google/protobuf/": {"events", "runtime", "directory", "ingress"},
}
STD = re.compile(r"[a-z_]+(\.h)?$|sys/[a-z]+\.h$|netinet/[a-z]+\.h$|arpa/[a-z]+\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def faults(root: pathlib.Path):
    files = [p for top in ("libs", "services") for p in (root / top).rglob("*") if p.suffix in (".hpp", ".cpp") and "/tests/" not in str(p) and "/cmake/" not in str(p)]
    services = {p.name for p in (root / "services").iterdir() if p.is_dir()} if (root / "services").exists() else set()
    for path in files:
        parts = path.relative_to(root).parts
        area, owner = parts[0], parts[1]
        public = area == "libs" and "include" in parts
        for quote, header in INCLUDE.findall(path.read_text(errors="replace")):
            first = header.split("/")[0]
            where = f"{path.relative_to(root)}: includes {header}"
            for prefix, libs in HIDDEN.items():
                if header.startswith(prefix):
                    if public:
                        yield f"{where}, a third-party header, in a public header"
                    elif area == "libs" and owner not in libs | {"testkit"}:
                        yield f"{where}; only the src/ of {', '.join(sorted(libs))} may"
                    elif area == "services" and prefix != "google/protobuf/":
                        yield f"{where}; a service uses the lib that hides it"
                    break
            else:
                if quote == "<" and public and not STD.fullmatch(header):
                    yield f"{where}, which is neither std nor ours, in a public header"
            if quote == '"' and header.endswith(".pb.h") and area == "libs" and owner not in ("events", "runtime", "directory", "ingress", "testkit"):
                yield f"{where}; {owner} knows no events"
            if quote != '"' or "/" not in header:
                continue
            if first == "testkit" and owner != "testkit":
                yield f"{where}; nothing that ships sees testkit"
            if first in RANK and area == "libs" and owner in RANK and first != owner and RANK[first] >= RANK[owner]:
                yield f"{where}, against the arrow from {owner} to {first}"
            if area == "libs" and first in services:
                yield f"{where}; a lib knows no service"
            if area == "services" and first in services and first != owner and not (owner == "all-in-one" and header.endswith("/service.hpp")):
                yield f"{where}; services do not include one another"


def self_test():
    cases = {
        "libs/base/include/base/a.hpp": ('#include "pg/tx.hpp"', True), "libs/pg/src/a.cpp": ('#include "kafka/record.hpp"', True), "libs/pg/include/pg/b.hpp": ("#include <libpq-fe.h>", True),
        "libs/app/src/a.cpp": ("#include <boost/asio.hpp>", True), "libs/kafka/src/a.cpp": ("#include <librdkafka/rdkafka.h>", False), "services/one/a.cpp": ('#include "two/b.hpp"', True),
        "services/two/b.cpp": ('#include "two/sql.hpp"\n#include "runtime/runtime.hpp"', False), "services/all-in-one/main.cpp": ('#include "two/service.hpp"', False),
        "services/one/c.cpp": ("#include <openssl/evp.h>", True), "services/one/d.cpp": ('#include "testkit/postgres.hpp"', True), "libs/runtime/src/a.cpp": ('#include "identity/token.hpp"', True),
        "libs/ingress/src/a.cpp": ('#include "directory/companies.hpp"\n#include <sqlite3.h>', False), "libs/base/include/base/c.hpp": ("#include <string>\n#include <sys/types.h>", False),
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, _) in cases.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "\n")
        found = list(faults(root))
        for name, (_, wrong) in cases.items():
            if wrong != any(f.startswith(name + ":") for f in found):
                sys.exit(f"self-test: {name} should{'' if wrong else ' not'} be found: {found}")


if sys.argv[1:] == ["--self-test"]:
    self_test()
    print("the check finds what it should")
else:
    found = sorted(set(faults(pathlib.Path(sys.argv[1]))))
    print("\n".join(found) or "all includes follow the arrows")
    sys.exit(1 if found else 0)
