#!/usr/bin/env python3
"""Fails on an #include against the arrows of the layers, and on a third-party header where it is not hidden.

    services > ingress api > identity directory providers > runtime > app > http kafka pg events (schema stands on pg) > telemetry > base

An include points only to the right; siblings do not see each other. Services never include one another. testkit and tests see anything; nothing that
ships sees testkit. A public header names std and our own libs only, and a third-party header stands in the src/ of the lib that hides it (HIDDEN).
Whatever this file does not know is refused, so that a new lib or library is entered here.

usage: check_layers.py ROOT | --self-test
"""
import pathlib
import re
import sys
import tempfile

ORDER = [["base"], ["telemetry"], ["pg", "kafka", "http", "events"], ["app"], ["runtime"], ["identity", "directory", "providers"], ["ingress", "api"]]
SEES = {}
_below = set()
for _tier in ORDER:
    SEES |= {lib: set(_below) for lib in _tier}
    _below |= set(_tier)
SEES["schema"] = {"base", "telemetry", "pg"}  # all migrations, as pg::Migration
for _lib in ("runtime", "directory", "providers", "ingress"):
    SEES[_lib].add("schema")
SHIPPED = set(SEES)
SEES["testkit"] = SHIPPED

# The start of a third-party header's name -> the libs whose src/ may include it.
HIDDEN = {
    "boost/": {"http"}, "openssl/": {"http", "base"}, "librdkafka/": {"kafka"}, "libpq-fe.h": {"pg"}, "libpq/": {"pg"}, "postgresql/": {"pg"}, "rapidjson/": {"base"}, "unicode/": {"base"},
    "prometheus/": {"telemetry"}, "sqlite3.h": {"ingress"}, "intel-ipsec-mb.h": {"base"},
    "taglib/": {"providers"}, "mimalloc.h": {"base"}, "zlib.h": {"http"},
    "google/protobuf/": {"events", "runtime", "directory", "ingress"},  # services too
}
EVENTS = {"events", "runtime", "directory", "identity", "providers", "ingress", "api"}  # and services: who may know generated messages, *.pb.h

STD = set("""algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits clocale cmath codecvt compare complex concepts
condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex new numbers numeric optional ostream queue random
ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view strstream syncstream system_error
thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version cxxabi.h
arpa/inet.h assert.h ctype.h dirent.h dlfcn.h endian.h errno.h execinfo.h fcntl.h fenv.h float.h glob.h grp.h ifaddrs.h inttypes.h limits.h locale.h math.h net/if.h netdb.h netinet/in.h
malloc.h netinet/tcp.h poll.h pthread.h pwd.h sched.h semaphore.h setjmp.h signal.h spawn.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sysexits.h syslog.h termios.h
time.h ucontext.h unistd.h utime.h wchar.h""".split())
STD_FOLDERS = ("sys/", "linux/", "bits/")

# A directive at the start of a line: comments have been taken out. A name that is no literal (a macro) cannot be judged.
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include(?:_next)?[ \t]*(?:([<"])([^>"\n]+)[>"]|(\S+))', re.MULTILINE)
# Strings are matched so that a // or a quote within them starts nothing, and so is the ' of 1'000; raw strings may hold whole lines that look like directives.
NOISE = re.compile(r"(?<!u8)(?<=[0-9A-Fa-f])'(?=[0-9A-Fa-f])|" r'R"(?P<d>[^\s()\\]{0,16})\(.*?\)(?P=d)"|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
SUFFIXES = {".hpp", ".h", ".hh", ".hxx", ".ipp", ".inl", ".cpp", ".cc", ".cxx"}


def includes(text):
    """(bracket or quote, name) of each include; bracket '' for a name that is a macro."""
    def quiet(match):
        whole = match.group(0)
        if whole[0] == '"' and not whole.startswith('R"'):
            return whole  # an include's own name; other strings end on their line and harm nothing
        return re.sub(r"[^\n]", " ", whole)

    for quote, name, macro in INCLUDE.findall(NOISE.sub(quiet, text.replace("\\\n", ""))):
        yield quote, name or macro


def hidden_by(header):
    return next((libs for start, libs in HIDDEN.items() if header.startswith(start)), None)


def is_std(header):
    return header in STD or header.startswith(STD_FOLDERS)


def judge(owner, area, public, services, quote, header, local):
    """What is wrong with one include of one file, or None."""
    first = header.split("/")[0]
    shipped = area != "libs" or owner != "testkit"
    if not quote:
        return "is a macro; write the header's name"
    if ".." in header.split("/"):
        return "leaves its folder; write lib/header.hpp"
    if is_std(header) and not local:
        return None
    if hidden_by(header) is not None and not local:
        libs = hidden_by(header)
        if public:
            return "is a third-party header in a public header; it stays in src/"
        if not shipped or (area == "libs" and owner in libs) or (area == "services" and header.startswith("google/protobuf/")):
            return None
        return f"is a third-party header that only the src/ of {', '.join(sorted(libs))} may include"
    if header.endswith(".pb.h"):
        if public:
            return "is a generated message in a public header; it stays in src/"
        return None if area == "services" or owner in EVENTS or not shipped else f"is a generated message, and {owner} knows no events"
    if first == "testkit" and "/" in header:
        return "is testkit's, and nothing that ships sees testkit" if shipped else None
    if first in SEES and "/" in header:
        if area == "libs" and first != owner and first not in SEES[owner]:
            return f"goes against the arrows: {owner} may see {', '.join(sorted(SEES[owner])) or 'no other lib'}"
        return "is of our own libs, and the contracts stand alone" if area == "proto-schemas" else None
    if first in services and "/" in header:
        if area != "services":
            return "is a service's, and only services know services" if shipped else None
        if first == owner:
            return None
        return "is another service's; services do not include one another"
    if header in ("openapi.hpp", "words.hpp") and quote == '"' and not local:
        return None if area != "libs" or owner == "api" else "is the HTTP contract, which services serve, by api"
    if quote == '"' and local:
        return "is a private header in a public one" if public else None
    return "is neither std, nor ours, nor a third-party header that a lib hides (HIDDEN in check_layers.py)"


def faults(root):
    services = {p.name for p in (root / "services").iterdir() if p.is_dir()} if (root / "services").is_dir() else set()
    files = 0
    for area in ("libs", "services", "proto-schemas"):
        for path in sorted((root / area).rglob("*")):
            parts = path.relative_to(root).parts  # never the whole path: a checkout may lie in a folder named tests
            if path.suffix not in SUFFIXES or not path.is_file() or "tests" in parts[:-1] or parts[:2] == ("libs", "cmake"):
                continue
            files += 1
            owner = parts[1] if area != "proto-schemas" else area
            where = "/".join(parts)
            if area == "libs" and owner not in SEES:
                yield f"{where}: the lib {owner} has no place in the layers; enter it in ORDER of check_layers.py"
                continue
            public = area == "libs" and parts[2] == "include"
            for quote, header in includes(path.read_text(errors="replace")):
                home = root / area / owner
                local = quote == '"' and any((folder / header).is_file() for folder in (path.parent, home / "src", home))
                wrong = judge(owner, area, public, services, quote, header, local)
                if wrong:
                    yield f"{where}: {header} {wrong}"
    if not files:
        yield f"{root}: there is no source file under libs, services or proto-schemas; is this the root of the tree?"


def unlisted(root):
    """Libs that the page of all libs does not show, and rows of libs that are none."""
    page = (root / "libs" / "README.md").read_text() if (root / "libs" / "README.md").is_file() else ""
    shown = set(re.findall(r"^\| [^|]+ \| `([a-z]+)` \|", page, re.MULTILINE))
    there = {p.name for p in (root / "libs").iterdir() if p.is_dir() and p.name != "cmake"}
    yield from (f"libs/{lib}: has no row in libs/README.md" for lib in sorted(there - shown))
    yield from (f"libs/README.md: the lib {lib} is not there" for lib in sorted(shown - there))


def self_test():
    cases = [  # (file, text, words of the finding; None = allowed)
        # the arrows
        ("libs/base/src/up.cpp", '#include "telemetry/log.hpp"', "against the arrows: base may see no other lib"),
        ("libs/base/include/base/up.hpp", '#include "pg/tx.hpp"', "against the arrows"),
        ("libs/base/src/brackets.cpp", "#include <pg/tx.hpp>", "against the arrows"),
        ("libs/base/src/spaced.cpp", '  #  include "pg/tx.hpp"', "against the arrows"),
        ("libs/base/src/continued.cpp", '#include \\\n"pg/tx.hpp"', "against the arrows"),
        ("libs/base/src/inside.inl", '#include "pg/tx.hpp"', "against the arrows"),
        ("libs/pg/src/sibling.cpp", '#include "kafka/record.hpp"', "against the arrows"),
        ("libs/identity/src/sibling.cpp", '#include "directory/companies.hpp"', "against the arrows"),
        ("libs/schema/src/sibling.cpp", '#include "http/server.hpp"', "against the arrows"),
        ("libs/app/src/up.cpp", '#include "schema/schema.hpp"', "against the arrows"),
        ("libs/runtime/src/up.cpp", '#include "identity/token.hpp"', "against the arrows"),
        ("libs/identity/src/up.cpp", '#include "api/context.hpp"', "against the arrows"),
        ("libs/api/src/sibling.cpp", '#include "ingress/webhook.hpp"', "against the arrows"),
        ("libs/directory/src/up.cpp", '#include "ingress/webhook.hpp"', "against the arrows"),
        ("libs/ingress/src/down.cpp", '#include "directory/companies.hpp"\n#include "base/json.hpp"', None),
        ("libs/runtime/src/down.cpp", '#include "schema/schema.hpp"\n#include "app/process.hpp"\n#include "runtime/lane.hpp"', None),
        ("libs/unheard/src/new.cpp", "", "has no place in the layers"),
        ("libs/base/src/out.cpp", '#include "../../pg/src/session.hpp"', "leaves its folder"),
        ("libs/base/src/macro.cpp", "#include SOME_HEADER", "is a macro"),
        # services
        ("services/one/other.cpp", '#include "two/handlers.hpp"', "is another service's"),
        ("services/one/other_service.cpp", '#include "two/service.hpp"', "is another service's"),
        ("services/one/around.cpp", '#include "../two/handlers.hpp"', "leaves its folder"),
        ("services/all-in-one/deeper.cpp", '#include "two/handlers.hpp"', "is another service's"),
        ("services/two/own.cpp", '#include "two/sql.hpp"\n#include "handlers.hpp"\n#include "runtime/runtime.hpp"\n#include "otto/calls/v1/calls.pb.h"\n#include "openapi.hpp"\n#include "words.hpp"', None),
        ("services/two/handlers.hpp", '#include "otto/calls/v1/calls.pb.h"\n#include <google/protobuf/message.h>', None),
        ("services/ottoctl/main.cpp", '#include "schema/schema.hpp"', None),
        ("services/one/third.cpp", "#include <openssl/evp.h>", "only the src/ of base, http may include"),
        ("services/one/quoted.cpp", '#include "openssl/evp.h"', "only the src/ of base, http may include"),
        ("services/one/testkit.cpp", '#include "testkit/postgres.hpp"', "nothing that ships sees testkit"),
        ("libs/base/src/service.cpp", '#include "two/service.hpp"', "only services know services"),
        # third-party headers in src/
        *((f"libs/{lib}/src/{i}_third.cpp", f"#include <{header}>", None if lib in libs else "is a third-party header that only")
          for i, (header, libs) in enumerate({"boost/asio.hpp": {"http"}, "openssl/ssl.h": {"http", "base"}, "librdkafka/rdkafka.h": {"kafka"}, "libpq-fe.h": {"pg"}, "rapidjson/document.h": {"base"},
                                              "prometheus/counter.h": {"telemetry"}, "unicode/unistr.h": {"base"}, "sqlite3.h": {"ingress"}, "taglib/fileref.h": {"providers"}, "google/protobuf/message.h": {"events", "runtime", "directory", "ingress"}}.items())
          for lib in ("base", "telemetry", "pg", "kafka", "http", "events", "app", "runtime", "identity", "directory", "providers", "ingress", "api")),
        ("libs/http/src/unknown.cpp", "#include <lzma.h>", "neither std, nor ours"),
        ("services/one/unknown.cpp", "#include <curl/curl.h>", "neither std, nor ours"),
        ("libs/kafka/src/message.cpp", '#include "otto/calls/v1/calls.pb.h"', "kafka knows no events"),
        ("libs/runtime/src/message.cpp", '#include "otto/calls/v1/calls.pb.h"', None),
        # public headers
        ("libs/pg/include/pg/third.hpp", "#include <libpq-fe.h>", "third-party header in a public header"),
        ("libs/http/include/http/third.hpp", "#include <boost/beast.hpp>", "third-party header in a public header"),
        ("libs/http/include/http/lzma.hpp", "#include <lzma.h>", "neither std, nor ours"),
        ("libs/events/include/events/message.hpp", '#include "otto/calls/v1/calls.pb.h"', "generated message in a public header"),
        ("libs/pg/include/pg/private.hpp", '#include "session.hpp"', "is a private header in a public one"),
        ("libs/testkit/include/testkit/third.hpp", "#include <libpq-fe.h>", "third-party header in a public header"),
        ("libs/base/include/base/std.hpp", "#include <string>\n#include <sys/types.h>\n#include <cstdint>\n#include <coroutine>", None),
        ("libs/pg/include/pg/ours.hpp", '#include "base/result.hpp"\n#include "telemetry/metrics.hpp"\n#include "pg/tx.hpp"', None),
        # what is not judged
        ("libs/pg/src/session.hpp", "#include <libpq-fe.h>\n#include <unistd.h>", None),
        ("libs/testkit/src/any.cpp", '#include <libpq-fe.h>\n#include "ingress/webhook.hpp"\n#include "two/service.hpp"', None),
        ("libs/base/tests/any_test.cpp", '#include "testkit/postgres.hpp"\n#include <boost/asio.hpp>', None),
        ("services/one/tests/any_test.cpp", '#include "testkit/kafka.hpp"\n#include "two/handlers.hpp"', None),
        ("libs/base/src/comments.cpp", '// #include "pg/tx.hpp"\n/*\n#include "pg/tx.hpp"\n*/\nauto s = R"(\n#include "pg/tx.hpp"\n)";', None),
        ("libs/base/src/after.cpp", 'auto s = "/*";\nauto c = \'"\';\n#include "pg/tx.hpp"', "against the arrows"),
        ("libs/base/src/separator.cpp", "auto n = 1'000; auto s = \"a'b/*\";\n#include \"pg/tx.hpp\"\n/* */", "against the arrows"),
        ("proto-schemas/contract.hpp", "#include <string_view>", None),
        ("proto-schemas/ours.hpp", '#include "base/json.hpp"', "the contracts stand alone"),
    ]
    for parent in ("plain", "tests/cmake"):  # where the tree lies makes no difference
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / parent
            for name, text, _ in cases:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text + "\n")
            found = list(faults(root))
            for name, _, finding in cases:
                of_file = [f for f in found if f.startswith(name + ":")]
                if finding is None and of_file:
                    sys.exit(f"self-test in {parent}: {name} is allowed, but: {of_file}")
                if finding is not None and not any(finding in f for f in of_file):
                    sys.exit(f'self-test in {parent}: {name} must be found with "{finding}", but: {of_file}')
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for lib in ("base", "cmake", "forgotten"):
            (root / "libs" / lib).mkdir(parents=True)
        (root / "libs" / "README.md").write_text("| 1 | `base` | all |\n| 2 | `gone` | nothing |\n")
        if [f.split(":")[0] for f in unlisted(root)] != ["libs/forgotten", "libs/README.md"]:
            sys.exit(f"self-test: the page of libs is judged wrongly: {list(unlisted(root))}")
    with tempfile.TemporaryDirectory() as folder:
        if not list(faults(pathlib.Path(folder))):
            sys.exit("self-test: a tree without sources must not pass")
    return len(cases)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(print(__doc__, file=sys.stderr) or 2)
    if sys.argv[1] == "--self-test":
        print(f"{self_test()} includes judged rightly")
        sys.exit(0)
    top = pathlib.Path(sys.argv[1]).resolve()
    found = sorted({*faults(top), *unlisted(top)})
    print("\n".join(found) or "all includes follow the arrows")
    sys.exit(1 if found else 0)
