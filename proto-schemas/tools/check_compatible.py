#!/usr/bin/env python3
"""Refuses changes of the event schemas that break readers of old events.

usage: check_compatible.py OLD.binpb NEW.binpb      (protoc --include_imports --descriptor_set_out)

Ends with 0 if NEW may follow OLD, 1 with one line per break, 2 if a file is no descriptor set of ours. Refused:
  a message, enum or enum value that is gone; an enum value with another number;
  a field with another name, type, label or presence (`optional`, `oneof`) under its number;
  a field that is gone without its number being reserved; a number that was reserved and is used again, or is no longer reserved;
  another topic or key of an event.

The files are read by the few lines of Protobuf's wire format below, so that no package is needed.
"""
import sys

EVENT_OPTION = 50001  # (otto.options.v1.event)
TYPES = ("", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group", "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64")
LABELS = ("", "singular", "required", "repeated")


class Unreadable(Exception):
    pass


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Unreadable("it ends within a number")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7


class Block:
    """One message on the wire: number -> values as they stand there (int or bytes)."""

    def __init__(self, data):
        self.values = {}
        at = 0
        while at < len(data):
            tag, at = varint(data, at)
            number, wire = tag >> 3, tag & 7
            if wire == 0:
                value, at = varint(data, at)
            elif wire in (1, 2, 5):
                if wire == 2:
                    size, at = varint(data, at)
                else:
                    size = 8 if wire == 1 else 4
                if at + size > len(data):
                    raise Unreadable("it is cut off")
                value, at = data[at:at + size], at + size
            else:
                raise Unreadable(f"it has wire type {wire}")
            self.values.setdefault(number, []).append(value)

    def has(self, number):
        return number in self.values

    def integer(self, number, default=0):
        value = self.values.get(number, [default])[-1]
        if not isinstance(value, int):
            raise Unreadable(f"field {number} is no number")
        return value - (1 << 64) if value >= 1 << 63 else value

    def text(self, number):
        value = self.values.get(number, [b""])[-1]
        try:
            return value.decode()
        except (AttributeError, UnicodeDecodeError):
            raise Unreadable(f"field {number} is no text") from None

    def blocks(self, number):
        values = self.values.get(number, [])
        if any(isinstance(v, int) for v in values):
            raise Unreadable(f"field {number} is no message")
        return [Block(v) for v in values]


def field_of(block, oneofs):
    kind = TYPES[block.integer(5)] if 0 <= block.integer(5) < len(TYPES) else f"type {block.integer(5)}"
    presence = "always"
    if block.integer(17):
        presence = "optional"
    elif block.has(9):
        presence = f"oneof {oneofs[block.integer(9)]}"
    return {"name": block.text(1), "type": f"{kind} {block.text(6)}".strip(), "label": LABELS[block.integer(4) & 3], "presence": presence}


class Schemas:
    """All messages and enums of our packages in one descriptor set, by full name."""

    def __init__(self, data):
        self.messages, self.enums = {}, {}
        for file in Block(data).blocks(1):
            package = file.text(2)
            if package != "otto" and not package.startswith("otto."):
                continue
            for message in file.blocks(4):
                self.add_message(package, message)
            for enum in file.blocks(5):
                self.add_enum(package, enum)
            for extension in file.blocks(7):
                self.add_extension(package, extension)
        if not self.messages:
            raise Unreadable("it holds no message of a package otto.*")

    def add_message(self, prefix, block):
        name = f"{prefix}.{block.text(1)}"
        oneofs = [o.text(1) for o in block.blocks(8)]
        event = next((o for options in block.blocks(7) for o in options.blocks(EVENT_OPTION)), None)
        self.messages[name] = {
            "fields": {f.integer(3): field_of(f, oneofs) for f in block.blocks(2)},
            "reserved": [(r.integer(1), r.integer(2)) for r in block.blocks(9)],  # [start, end)
            "event": event and {"topic": event.text(1), "key": event.text(2)},
        }
        for nested in block.blocks(3):
            self.add_message(name, nested)
        for enum in block.blocks(4):
            self.add_enum(name, enum)
        for extension in block.blocks(6):
            self.add_extension(name, extension)

    def add_enum(self, prefix, block):
        self.enums[f"{prefix}.{block.text(1)}"] = {
            "values": {v.text(1): v.integer(2) for v in block.blocks(2)},
            "reserved": [(r.integer(1), r.integer(2) + 1) for r in block.blocks(4)],  # inclusive on the wire
        }

    def add_extension(self, prefix, block):
        """An extension is a field of the message it extends, under that message's name."""
        name = f"{prefix}, extension of {block.text(2)}"
        self.messages.setdefault(name, {"fields": {}, "reserved": [], "event": None})["fields"][block.integer(3)] = field_of(block, [])


def covers(ranges, start, end):
    """Whether each number of [start, end) lies in one of the ranges; they may be cut differently."""
    for low, high in sorted(ranges):
        if low <= start < high:
            start = high
    return start >= end


def reserved_breaks(name, old, new, used):
    for start, end in old:
        gone = f"number {start} was reserved and no longer is" if end == start + 1 else f"numbers {start} to {end - 1} were reserved and no longer are"
        for number in sorted(n for n in used if start <= n < end):
            yield f"{name}: number {number} was reserved and is used again by {used[number]}; take a new number"
        if not covers(new, start, end) and not any(start <= n < end for n in used):
            yield f"{name}: {gone}; reserve them again"


def message_breaks(name, old, new):
    for number, was in sorted(old["fields"].items()):
        now = new["fields"].get(number)
        if now is None:
            if not covers(new["reserved"], number, number + 1):
                yield f"{name}: field {was['name']} = {number} is gone; write `reserved {number};`"
            continue
        if now["name"] != was["name"]:
            yield f"{name}: number {number} was {was['name']} and is now {now['name']}; take a new number"
        for what in ("type", "label", "presence"):
            if now[what] != was[what]:
                yield f"{name}: field {was['name']} = {number} had {what} '{was[what]}' and has '{now[what]}'; add a new field instead"
    yield from reserved_breaks(name, old["reserved"], new["reserved"], {n: f["name"] for n, f in new["fields"].items()})
    if old["event"]:
        for what in ("topic", "key"):
            now = (new["event"] or {}).get(what, "")
            if now != old["event"][what]:
                yield f"{name}: its {what} was '{old['event'][what]}' and is '{now}'; make a new message instead"


def enum_breaks(name, old, new):
    for value, number in old["values"].items():
        now = new["values"].get(value)
        if now is None:
            yield f"{name}: value {value} = {number} is gone; old events carry it"
        elif now != number:
            yield f"{name}: value {value} was {number} and is {now}"
    yield from reserved_breaks(name, old["reserved"], new["reserved"], {n: v for v, n in new["values"].items()})


def breaks(old, new):
    for kind, before, after, compare in (("message", old.messages, new.messages, message_breaks), ("enum", old.enums, new.enums, enum_breaks)):
        for name in sorted(before):
            if name in after:
                yield from compare(name, before[name], after[name])
            else:
                yield f"{name}: the {kind} is gone; old events carry it"


def read(path):
    try:
        with open(path, "rb") as f:
            return Schemas(f.read())
    except (OSError, Unreadable, IndexError) as e:
        sys.exit(print(f"{path} is no descriptor set of the event schemas: {e}", file=sys.stderr) or 2)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(print(__doc__, file=sys.stderr) or 2)
    found = list(breaks(read(sys.argv[1]), read(sys.argv[2])))
    print("\n".join(found) or "readers of the last release can read these schemas")
    sys.exit(1 if found else 0)
