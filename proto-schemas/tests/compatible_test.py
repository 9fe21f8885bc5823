#!/usr/bin/env python3
"""The compatibility check finds each kind of break and lets pass what may change.

usage: compatible_test.py PROTOC PROTO_ROOT

Altered schemas are written to a temporary folder. Each case names the words that the finding must hold, so that a case cannot pass by another break.
"""
import pathlib
import subprocess
import sys
import tempfile

PROTOC, ROOT = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
CHECK = ROOT.parent / "tools" / "check_compatible.py"

OWN = """syntax = "proto3";
package otto.made.v1;
import "otto/options/v1/options.proto";
message Thing {
  option (otto.options.v1.event) = {topic: "otto.things", key: "company_id,id"};
  reserved 7, 20 to 24;
  string company_id = 1;
  int64 id = 2;
  optional string note = 3;
  repeated string tags = 4;
  Part part = 5;
  Kind kind = 6;
  oneof report { string call = 10; string text = 11; }
  message Inner { bool deep = 1; enum Mood { MOOD_UNSPECIFIED = 0; MOOD_GOOD = 1; } }
}
message Part { string name = 1; }
message Other { string name = 1; }
enum Kind { KIND_UNSPECIFIED = 0; KIND_CALL = 1; KIND_TEXT = 2; reserved 5; KIND_BELOW = -1; }
"""

# What is done to OWN: (name, old text, new text, words of the finding; None = may be done)
CASES = [
    ("nothing", "", "", None),
    ("a new field", "Kind kind = 6;", "Kind kind = 6; string more = 8;", None),
    ("a new message", "message Part", "message Fresh { string name = 1; }\nmessage Part", None),
    ("a new enum value", "KIND_TEXT = 2;", "KIND_TEXT = 2; KIND_FORM = 3;", None),
    ("a field gone, its number reserved", "int64 id = 2;", "reserved 2;", None),
    ("a new member of a oneof", "string text = 11;", "string text = 11; string form = 12;", None),
    ("reserved numbers cut differently", "reserved 7, 20 to 24;", "reserved 7; reserved 20 to 22, 23, 24 to 30;", None),
    ("a message marked as deprecated", "  reserved 7,", "  option deprecated = true;\n  reserved 7,", None),
    ("fields in another order", "string company_id = 1;\n  int64 id = 2;", "int64 id = 2;\n  string company_id = 1;", None),
    ("a field gone", "int64 id = 2;", "", "id = 2 is gone"),
    ("a nested field gone", "bool deep = 1;", "", "Thing.Inner: field deep = 1 is gone"),
    ("another number", "int64 id = 2;", "int64 id = 8;", "id = 2 is gone"),
    ("another scalar type", "int64 id = 2;", "string id = 2;", "had type 'int64' and has 'string'"),
    ("another message type", "Part part = 5;", "Other part = 5;", "had type 'message .otto.made.v1.Part'"),
    ("another label", "int64 id = 2;", "repeated int64 id = 2;", "had label 'singular' and has 'repeated'"),
    ("a list no more", "repeated string tags = 4;", "string tags = 4;", "had label 'repeated' and has 'singular'"),
    ("absence no longer told from empty", "optional string note = 3;", "string note = 3;", "had presence 'optional' and has 'always'"),
    ("a field moved into a oneof", "Kind kind = 6;\n  oneof report { string call = 10;", "oneof report { Kind kind = 6; string call = 10;", "had presence 'always' and has 'oneof report'"),
    ("a field out of its oneof", "oneof report { string call = 10; string text = 11; }", "oneof report { string call = 10; } string text = 11;", "had presence 'oneof report'"),
    ("a number used for another field", "int64 id = 2;", "int64 count = 2;", "number 2 was id and is now count"),
    ("a reserved number used again", "reserved 7, 20 to 24;", "reserved 20 to 24; string again = 7;", "number 7 was reserved and is used again by again"),
    ("a number of a reserved range used again", "reserved 7, 20 to 24;", "reserved 7, 20 to 21, 23 to 24; string again = 22;", "number 22 was reserved and is used again"),
    ("a number reserved no more", "reserved 7, 20 to 24;", "reserved 20 to 24;", "number 7 was reserved and no longer is"),
    ("the end of a range reserved no more", "reserved 7, 20 to 24;", "reserved 7, 20 to 23;", "numbers 20 to 24 were reserved and no longer are"),
    ("another topic", '"otto.things"', '"otto.elsewhere"', "its topic was 'otto.things' and is 'otto.elsewhere'"),
    ("another key", '"company_id,id"', '"company_id"', "its key was 'company_id,id' and is 'company_id'"),
    ("no event any more", 'option (otto.options.v1.event) = {topic: "otto.things", key: "company_id,id"};', "", "its topic was 'otto.things' and is ''"),
    ("a message gone", "message Other { string name = 1; }", "", "otto.made.v1.Other: the message is gone"),
    ("a message renamed", "message Other", "message Another", "otto.made.v1.Other: the message is gone"),
    ("a nested enum gone", "enum Mood { MOOD_UNSPECIFIED = 0; MOOD_GOOD = 1; }", "", "Thing.Inner.Mood: the enum is gone"),
    ("an enum value gone", "KIND_TEXT = 2;", "", "value KIND_TEXT = 2 is gone"),
    ("an enum value gone, its number reserved", "KIND_TEXT = 2;", "reserved 2;", "value KIND_TEXT = 2 is gone"),
    ("an enum value renumbered", "KIND_TEXT = 2;", "KIND_TEXT = 3;", "value KIND_TEXT was 2 and is 3"),
    ("a negative enum value renumbered", "KIND_BELOW = -1;", "KIND_BELOW = -2;", "value KIND_BELOW was -1 and is -2"),
    ("a reserved enum number used again", "reserved 5;", "KIND_AGAIN = 5;", "number 5 was reserved and is used again by KIND_AGAIN"),
    ("another package", "package otto.made.v1;", "package otto.made.v2;", "otto.made.v1.Thing: the message is gone"),
]


def descriptors(folder, name, own):
    """The real schemas and our own made-up one beside them, as a descriptor set."""
    sources = folder / name
    sources.mkdir()
    (sources / "made.proto").write_text(own)
    files = ["made.proto", *sorted(str(p.relative_to(ROOT)) for p in ROOT.rglob("*.proto"))]
    out = folder / f"{name}.binpb"
    done = subprocess.run([PROTOC, f"-I{sources}", f"-I{ROOT}", "--include_imports", f"--descriptor_set_out={out}", *files], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: protoc does not take the altered schemas:\n{done.stderr}")
    return out


def check(old, new):
    done = subprocess.run([sys.executable, CHECK, old, new], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    old = descriptors(folder, "old", OWN)
    for i, (name, text, replacement, finding) in enumerate(CASES):
        assert text in OWN, f"{name}: '{text}' is not in the schema"
        code, said = check(old, descriptors(folder, f"case{i}", OWN.replace(text, replacement, 1)))
        if finding is None and code != 0:
            sys.exit(f"'{name}' may be done, but ended with {code}:\n{said}")
        if finding is not None and (code != 1 or finding not in said):
            sys.exit(f"'{name}' must end with 1 and say \"{finding}\", but ended with {code}:\n{said}")

    # A baseline that says nothing must not let everything pass.
    whole = old.read_bytes()
    for name, data in {"empty": b"", "cut off": whole[: len(whole) // 2], "text": b"these are no descriptors"}.items():
        bad = folder / "bad.binpb"
        bad.write_bytes(data)
        for pair in ((bad, old), (old, bad)):
            code, said = check(*pair)
            if code != 2 or "no descriptor set" not in said:
                sys.exit(f"a file that is {name} must end with 2, but ended with {code}:\n{said}")
    code, said = check(folder / "missing.binpb", old)
    assert code == 2 and "missing.binpb" in said, f"a missing file ended with {code}:\n{said}"

print(f"{len(CASES)} changes and 7 unreadable files judged rightly")
