#!/usr/bin/env python3
"""The check finds each kind of break, and lets what may change pass. usage: compatible_test.py PROTOC PROTO_ROOT"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

protoc, root = sys.argv[1], pathlib.Path(sys.argv[2])
check = root.parent / "tools" / "check_compatible.py"
CALLS = "otto/calls/v1/calls.proto"
INBOUND = "otto/inbound/v1/inbound.proto"
CHANGES = {  # name: (file, old text, new text, is a break)
    "nothing": (CALLS, "", "", False),
    "a new field": (CALLS, "int64 received_at_us = 17;", "int64 received_at_us = 17;\n  string more = 18;", False),
    "removed and reserved": (CALLS, "int64 received_at_us = 17;", "reserved 17;", False),
    "removed": (CALLS, "int64 received_at_us = 17;", "", True),
    "another type": (CALLS, "int64 version = 4;", "string version = 4;", True),
    "another label": (CALLS, "int64 version = 4;", "repeated int64 version = 4;", True),
    "another number": (CALLS, "int64 version = 4;", "int64 version = 44;", True),
    "another name, that is: another meaning": (CALLS, "int64 version = 4;", "int64 revision = 4;", True),
    "another topic": (CALLS, 'topic: "otto.calls"', 'topic: "otto.elsewhere"', True),
    "another key": (CALLS, 'key: "company_id,phone"', 'key: "company_id"', True),
    "a message gone": (CALLS, "message CallRecorded", "message CallNoted", True),
    "an enum value renumbered": (INBOUND, "VERDICT_OPEN = 2;", "VERDICT_OPEN = 9;", True),
}


def descriptors(folder):
    out = folder / "set.binpb"
    files = [str(p.relative_to(folder)) for p in folder.rglob("*.proto")]
    subprocess.run([protoc, f"-I{folder}", "--include_imports", f"--descriptor_set_out={out}", *files], check=True)
    return out


with tempfile.TemporaryDirectory() as temporary:
    before = pathlib.Path(temporary) / "before"
    shutil.copytree(root, before)
    old = descriptors(before)
    for name, (file, text, replacement, wrong) in CHANGES.items():
        after = pathlib.Path(temporary) / "after"
        shutil.copytree(root, after)
        source = (after / file).read_text()
        assert text in source, f"{name}: '{text}' is not in {file}"
        (after / file).write_text(source.replace(text, replacement, 1) if text else source)
        result = subprocess.run([sys.executable, check, protoc, old, descriptors(after)], capture_output=True, text=True)
        if (result.returncode != 0) != wrong:
            sys.exit(f"'{name}' was {'not ' if wrong else ''}found to be a break:\n{result.stdout}{result.stderr}")
        shutil.rmtree(after)
print(f"{len(CHANGES)} changes judged rightly")
