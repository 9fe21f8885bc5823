"""What comes with a text: pictures, cards and files, made one of a kind for each text, with what can go wrong with fetching them."""

import struct
import typing
import zlib

from . import downloads
from .commands import refuse, whole_number
from .downloads import Content
from .state import Json

MOST = 100  # far beyond what a provider takes: whoever is told of more than he wants must cope
OTHERS = {"image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", "image/gif": b"GIF89a\1\0\1\0\0\0\0;", "application/pdf": b"%PDF-1.4\n", "video/mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"}


class Attachment(Content):
    """A file that names its text, `size` bytes long; a PNG is one that a browser shows."""

    def __init__(self, media_type: str, mark: str, size: int | None = None) -> None:
        text = f"sandbox media {mark}\n".encode()
        head = _png(text) if media_type == "image/png" else OTHERS.get(media_type, b"") + text
        super().__init__(media_type, head, b"\0", size or len(head))


def _png(comment: bytes) -> bytes:
    """One grey pixel, with a comment. What follows a PNG's end is passed over by readers."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"tEXt", b"Comment\0" + comment) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")


def read_media(wanted: Json) -> list[Json]:
    """The member `media`: how many pictures, or a list of {content_type?, bytes?, fault?}."""
    given = wanted.get("media", 0)
    if isinstance(given, list):
        items = given
    else:
        items = [{}] * whole_number(wanted, "media", 0, 0)
    if len(items) > MOST:
        refuse(f"media takes at most {MOST} items")
    return [read_item(item, n) for n, item in enumerate(items)]


def read_item(item: typing.Any, n: int) -> Json:
    if not isinstance(item, dict) or (unknown := sorted(item.keys() - {"content_type", "bytes", "fault"})):
        refuse(f"media[{n}] must be an object of content_type, bytes, fault{'; ' + unknown[0] + ' is none of them' if isinstance(item, dict) else ''}")
    return {"content_type": str(item.get("content_type", "image/png")), "bytes": whole_number(item, "bytes", 0, 1) if "bytes" in item else None,
            "fault": downloads.read_fault(item.get("fault"), f"media[{n}].fault")}


def attachment_of(item: Json, mark: str) -> Attachment:
    return Attachment(item["content_type"], mark, item["bytes"])


def shown(item: Json, mark: str, url: str) -> Json:
    """An attachment for an operator and for assertions: what a client without faults must have got."""
    content = attachment_of(item, mark)
    return {"url": url, "content_type": content.media_type, "bytes": content.size, "sha256": content.sha256(), "fault": downloads.shown_fault(item["fault"])}


def change(facts: Json, body: Json) -> None:
    """A command about attachment `n` of a text: what is wrong with it from now on."""
    n = whole_number(body, "n", 0, 0)
    if n >= len(facts["media"]):
        refuse(f"the text has no media {n}")
    facts["media"][n]["fault"] = downloads.read_fault(body.get("fault"), "fault")
