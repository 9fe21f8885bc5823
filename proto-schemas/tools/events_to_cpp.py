#!/usr/bin/env python3
"""Writes a header that names every event, which is a message with a topic: so none is forgotten where all are wanted, and the linker drops none.

usage: events_to_cpp.py ROOT OUT.pb.h FILE.proto…      (files as they are named below ROOT)
"""
import pathlib
import re
import sys

PACKAGE = re.compile(r"^package ([a-z0-9_.]+);", re.MULTILINE)
EVENT = re.compile(r"^message (\w+) \{\s*option \(otto\.options\.v1\.event\)", re.MULTILINE)


def main(root, out, files):
    includes, events = [], []
    for file in sorted(files):
        text = (pathlib.Path(root) / file).read_text()
        found = EVENT.findall(text)
        if found:
            includes.append(f'#include "{file.removesuffix(".proto")}.pb.h"')
            scope = "::" + PACKAGE.search(text).group(1).replace(".", "::")
            events += [f"        &{scope}::{name}::default_instance()," for name in found]
    lines = ["// Generated from the protos.", "#pragma once", "#include <vector>", "", *includes, "", "namespace otto {", "",
             "inline std::vector<const google::protobuf::Message*> event_prototypes() {", "    return {", *events, "    };", "}", "", "}  // namespace otto"]
    pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(print(__doc__, file=sys.stderr) or 2)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
