#!/usr/bin/env python3
"""Refuses changes of the event schemas that break readers of old events.

usage: check_compatible.py PROTOC OLD.binpb NEW.binpb

Compares two descriptor sets (protoc --descriptor_set_out). Within a message: a field's number, type, label and name stay; one that goes leaves its
number reserved; a number is never used again. Messages, enum values and an event's topic and key stay.
"""
import re
import subprocess
import sys


def decode(protoc, path):
    """A descriptor set as nested (name, value | block) pairs, by protoc's own text form."""
    with open(path, "rb") as f:
        text = subprocess.run([protoc, "--decode=google.protobuf.FileDescriptorSet", "google/protobuf/descriptor.proto"], stdin=f, capture_output=True, text=True, check=True).stdout
    root = []
    stack = [root]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            block = []
            stack[-1].append((line[:-1].strip(), block))
            stack.append(block)
        elif line == "}":
            stack.pop()
        elif line:
            name, value = line.split(": ", 1)
            stack[-1].append((name, value.strip('"')))
    return root


def one(block, name, default=""):
    return next((v for n, v in block if n == name), default)


def every(block, name):
    return [v for n, v in block if n == name]


def messages(files):
    """{full name: (fields {number: (name, type, label)}, reserved numbers, options text)}, {enum: {value: number}}"""
    out, enums = {}, {}

    def walk(prefix, message):
        name = f"{prefix}.{one(message, 'name')}"
        fields = {int(one(f, "number")): (one(f, "name"), one(f, "type") + one(f, "type_name"), one(f, "label")) for f in every(message, "field")}
        reserved = {n for r in every(message, "reserved_range") for n in range(int(one(r, "start", "0")), int(one(r, "end", "0")))}
        out[name] = (fields, reserved, repr(every(message, "options")))
        for nested in every(message, "nested_type"):
            walk(name, nested)
        for e in every(message, "enum_type"):
            enums[f"{name}.{one(e, 'name')}"] = {one(v, "name"): one(v, "number", "0") for v in every(e, "value")}

    for file in every(files, "file"):
        package = one(file, "package")
        if not package.startswith("otto"):
            continue
        for message in every(file, "message_type"):
            walk(package, message)
        for e in every(file, "enum_type"):
            enums[f"{package}.{one(e, 'name')}"] = {one(v, "name"): one(v, "number", "0") for v in every(e, "value")}
    return out, enums


def breaks(old, new):
    (old_messages, old_enums), (new_messages, new_enums) = old, new
    for name, (fields, _, options) in old_messages.items():
        if name not in new_messages:
            yield f"message {name} is gone"
            continue
        now, reserved, now_options = new_messages[name]
        for number, (field, kind, label) in fields.items():
            if number not in now:
                if number not in reserved:
                    yield f"{name}: field {field} = {number} is gone, and its number is not reserved"
            elif now[number][0] != field:
                yield f"{name}: number {number} was {field} and is now {now[number][0]}"
            elif now[number][1:] != (kind, label):
                yield f"{name}: field {field} = {number} changed its type or label"
        if options != now_options:
            yield f"{name}: its topic or key changed"
    for name, values in old_enums.items():
        if name not in new_enums:
            yield f"enum {name} is gone"
            continue
        for value, number in values.items():
            if new_enums[name].get(value) != number:
                yield f"enum {name}: {value} = {number} is gone or changed its number"


protoc, old, new = sys.argv[1:4]
found = list(breaks(messages(decode(protoc, old)), messages(decode(protoc, new))))
print("\n".join(found) or "the schemas can be read by readers of the last release")
sys.exit(1 if found else 0)
