"""The sound of recordings: one of two committed dialogues, made one of a kind for each recording."""

import functools
import pathlib
import struct

from .downloads import Content

SOUNDS = {"mp3": ("booked.mp3", "audio/mpeg"), "wav": ("not_booked.wav", "audio/wav")}
BYTES_A_SECOND = {"mp3": 2_000, "wav": 8_000}


class Sound(Content):
    """A playable file that names its call, or recording, in its tag (ID3 or RIFF INFO), so that no two calls have the same bytes, and whoever gets it can say whose it is.

    `size` bytes long: the committed sound over and over; by default as long as the sound is.
    """

    def __init__(self, kind: str, call: int, size: int | None = None) -> None:
        name, media_type = SOUNDS[kind]
        whole = _committed(name)
        mark = f"sandbox call {call}".encode()
        if kind == "mp3":
            frame = b"TIT2" + struct.pack(">IH", len(mark) + 1, 0) + b"\0" + mark
            # An ID3 tag's length counts 7 bits a byte; the frame is shorter than 128.
            super().__init__(media_type, b"ID3\x03\0\0" + struct.pack(">I", len(frame)) + frame, whole, size or 10 + len(frame) + len(whole))
        else:
            format_chunk, samples = whole[12:36], whole[44:]
            text = mark + b"\0" * (2 - len(mark) % 2)
            info = b"INFOICMT" + struct.pack("<I", len(text)) + text
            notes = b"LIST" + struct.pack("<I", len(info)) + info
            start = 12 + len(format_chunk) + len(notes) + 8
            size = size or start + len(samples)
            head = b"RIFF" + struct.pack("<I", min(size - 8, 2**32 - 1)) + b"WAVE" + format_chunk + notes + b"data" + struct.pack("<I", min(max(size - start, 0), 2**32 - 1))
            super().__init__(media_type, head, samples, size)


@functools.cache
def _committed(name: str) -> bytes:
    return (pathlib.Path(__file__).parent / "sounds" / name).read_bytes()


def lasting(kind: str, call: int, seconds: int) -> Sound:
    """One that plays so long."""
    return Sound(kind, call, len(Sound(kind, call).head) + seconds * BYTES_A_SECOND[kind])
