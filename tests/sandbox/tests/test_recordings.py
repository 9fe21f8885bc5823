"""CallRail's recordings and its list of calls, as a client meets them."""

import datetime
import hashlib
import io
import pathlib
import time
import wave

import httpx
import pytest
from conftest import eventually
from peers import API_KEY, otto, place, sandbox, shared  # noqa: F401

from sandbox.sound import Sound
from sandbox.downloads import CHUNK, HUGE

SOUNDS = pathlib.Path(__file__).parent.parent / "sounds"


def host(sandbox, last):
    return f"http://127.0.0.{last}:{sandbox.base_url.port}"


def fetched(sandbox, placed, **more):
    """By the API, as Otto does: its address, then the recording."""
    url = sandbox.get(f"/v3/a/ACC_new/calls/{placed['resource_id']}/recording.json", headers=API_KEY).json()["url"]
    return httpx.get(url, follow_redirects=True, trust_env=False, timeout=20, **more)


def told(sandbox, placed):
    (recording,) = sandbox.get("/sandbox/callrail/recordings", params={"call": placed["id"]}).json()
    return recording


# -- the sounds -------------------------------------------------------------------------------------------------------


def mpeg_frames(data):
    """Walks the frames of MPEG 2.5 layer III at 8 kHz; the frame's header says how long each is."""
    at, frames = 0, 0
    while at < len(data):
        assert data[at] == 0xFF and data[at + 1] & 0xF6 == 0xE2 and data[at + 2] & 0x0C == 0x08
        kbit = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[(data[at + 2] >> 4) - 1]
        at += 72 * kbit * 1000 // 8000 + (data[at + 2] >> 1 & 1)
        frames += 1
    assert at == len(data)
    return frames


def test_the_committed_sounds_are_short_and_whole():
    mp3, wav = (SOUNDS / "booked.mp3").read_bytes(), (SOUNDS / "not_booked.wav").read_bytes()
    assert len(mp3) < 60_000 and len(wav) < 60_000
    assert mpeg_frames(mp3) * 576 / 8000 == pytest.approx(16.6, abs=0.5)
    with wave.open(io.BytesIO(wav)) as sound:
        assert sound.getframerate() == 8000 and sound.getnframes() / 8000 == pytest.approx(5.5, abs=0.2)
        levels = sound.readframes(sound.getnframes())
    # Speech: loud and silent parts, no tone that lasts.
    loud = [max(levels[n:n + 400]) - min(levels[n:n + 400]) for n in range(0, len(levels) - 400, 400)]
    assert max(loud) > 100 and min(loud) < 5


def test_each_call_has_bytes_of_its_own_that_play():
    wav, mp3 = Sound("wav", 7), Sound("mp3", 7)
    with wave.open(io.BytesIO(b"".join(wav.chunks()))) as sound:
        assert sound.readframes(10**6) == (SOUNDS / "not_booked.wav").read_bytes()[44:]
    whole = b"".join(mp3.chunks())
    assert whole[:3] == b"ID3" and whole[10 + whole[9]:] == (SOUNDS / "booked.mp3").read_bytes()
    for kind in ("wav", "mp3"):
        assert b"sandbox call 7" in b"".join(Sound(kind, 7).chunks())[:200]
        assert Sound(kind, 7).sha256() != Sound(kind, 8).sha256()
        assert Sound(kind, 7).sha256() == hashlib.sha256(b"".join(Sound(kind, 7).chunks())).hexdigest()


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_sound_of_any_length(kind):
    long = b"".join(Sound(kind, 7, 5_000_000).chunks())
    assert len(long) == 5_000_000 and len(b"".join(Sound(kind, 7, 11).chunks())) == 11
    if kind == "wav":
        with wave.open(io.BytesIO(long)) as sound:
            assert sound.getnframes() > 4_999_000


@pytest.mark.parametrize(("kind", "media_type"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
def test_what_comes_is_what_was_told(sandbox, otto, kind, media_type):
    placed = place(sandbox, otto, sound=kind, recording_bytes=300_000)
    in_webhook = httpx.get(otto.bodies()[-1]["recording"], follow_redirects=True, trust_env=False)
    assert in_webhook.content == fetched(sandbox, placed).content
    recording = told(sandbox, placed)
    assert (recording["bytes"], recording["sha256"], recording["content_type"]) == (300_000, hashlib.sha256(in_webhook.content).hexdigest(), media_type)
    assert in_webhook.headers["Content-Type"] == media_type and recording["customer"] == "+12148654559"


def test_a_call_without_a_recording(sandbox, otto):
    placed = place(sandbox, otto, missed=True)
    path = f"/v3/a/ACC_new/calls/{placed['resource_id']}/recording.json"
    assert sandbox.get(path, headers=API_KEY).json() == {} and sandbox.get(path).status_code == 401
    assert sandbox.get("/sandbox/callrail/recordings", params={"call": placed["id"]}).json() == []
    assert sandbox.get(f"/calls/{placed['id']}/recording/redirect?access_key=aaaaccccddddeeee").status_code == 404


def test_a_recording_that_comes_late(sandbox, otto):
    placed = place(sandbox, otto, recording=False)
    place(sandbox, otto, id=placed["id"], events=["modified"], fields={"changes": ["recording_duration"]})
    assert otto.bodies()[2]["recording"] == "" and otto.bodies()[3]["recording"] != "" and otto.bodies()[3]["id"] == placed["id"]
    assert fetched(sandbox, placed).content[:4] == b"RIFF"


# -- faults -----------------------------------------------------------------------------------------------------------


def test_truncated(sandbox, otto):
    placed = place(sandbox, otto, recording_fault="truncated", recording_bytes=200_000)
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete|peer closed"):
        fetched(sandbox, placed)
    sandbox.post("/sandbox/callrail/recordings", json={"call": placed["id"], "recording_fault": "none"})
    assert len(fetched(sandbox, placed).content) == 200_000


@pytest.mark.parametrize(("kind", "media_type", "begins", "size"), [
    ("short", "audio/wav", b"RIFF", 50_000), ("html", "text/html; charset=utf-8", b"<!doctype html>", None), ("mislabelled", "audio/wav", b"<!doctype html>", None),
    ("wrong_type", "application/pdf", b"%PDF", None), ("empty", "audio/wav", b"", 0)])
def test_something_else_in_its_place(sandbox, otto, kind, media_type, begins, size):
    got = fetched(sandbox, place(sandbox, otto, recording_fault=kind, recording_bytes=100_000))
    assert (got.status_code, got.headers["Content-Type"]) == (200, media_type) and got.content.startswith(begins) and size in (None, len(got.content))


@pytest.mark.parametrize(("kind", "length"), [("huge", str(HUGE)), ("endless", None)])
def test_more_than_anybody_wants(sandbox, otto, kind, length):
    placed = place(sandbox, otto, recording_fault=kind)
    url = told(sandbox, placed)["url"]
    with httpx.Client(follow_redirects=True, trust_env=False) as client, client.stream("GET", url) as answer:
        assert answer.headers.get("Content-Length") == length
        seen = 0
        for piece in answer.iter_bytes(CHUNK):
            seen += len(piece)
            if seen > 20_000_000:
                break
    assert sandbox.get("/healthz").text == "ok"


def test_slow(sandbox, otto):
    began = time.monotonic()
    got = fetched(sandbox, place(sandbox, otto, recording_fault={"kind": "slow", "seconds": 1}))
    assert got.content[:4] == b"RIFF" and time.monotonic() - began >= 1


@pytest.mark.parametrize(("kind", "last"), [("elsewhere", 2), ("private", 3)])
@pytest.mark.parametrize("at", ["audio", "api"])
def test_a_redirect_to_another_host_tells_who_got_the_key(sandbox, otto, kind, last, at):
    placed = place(sandbox, otto, recording_fault={"kind": kind, "at": at})
    start = f"/v3/a/ACC_new/calls/{placed['resource_id']}/recording.json"
    if at == "audio":
        start = sandbox.get(start, headers=API_KEY).json()["url"]
    sandbox.delete("/sandbox/requests")
    # A client that gives its key to everybody, and one that does not.
    target = sandbox.get(start, headers=API_KEY).headers["Location"]
    assert target.startswith(host(sandbox, last) + "/elsewhere/")
    for headers in (API_KEY, {}):
        assert httpx.get(target, headers=headers, trust_env=False).content[:4] == b"RIFF"
    # A request is noted when its answer has gone out, which the client may see first.
    received = eventually(lambda: len(found := sandbox.get("/sandbox/requests", params={"host": f"127.0.0.{last}:{sandbox.base_url.port}"}).json()) == 2 and found)
    assert [r["headers"].get("authorization") for r in received] == [API_KEY["Authorization"], None]


def test_a_redirect_where_one_wants_it(sandbox, otto):
    placed = place(sandbox, otto, recording_fault={"kind": "private", "to": "http://169.254.169.254/latest"})
    assert sandbox.get(told(sandbox, placed)["url"]).headers["Location"] == "http://169.254.169.254/latest"


def test_a_loop(sandbox, otto):
    with pytest.raises(httpx.TooManyRedirects):
        fetched(sandbox, place(sandbox, otto, recording_fault="loop"))


def test_not_yet(sandbox, otto):
    placed = place(sandbox, otto, recording_fault={"kind": "not_yet", "times": 2})
    path = f"/v3/a/ACC_new/calls/{placed['id']}/recording.json"
    assert [sandbox.get(path, headers=API_KEY).status_code for _ in range(3)] == [404, 404, 200]
    for_a_while = place(sandbox, otto, recording_fault={"kind": "not_yet", "seconds": 3600})
    assert sandbox.get(told(sandbox, for_a_while)["url"]).status_code == 404
    sandbox.post("/sandbox/callrail/recordings", json={"call": for_a_while["resource_id"], "recording_fault": {"kind": "not_yet", "seconds": 0}})
    assert fetched(sandbox, for_a_while).status_code == 200


def test_never_and_no_url(sandbox, otto):
    never, no_url = place(sandbox, otto, recording_fault="never"), place(sandbox, otto, recording_fault="no_url")
    assert sandbox.get(f"/v3/a/ACC_new/calls/{never['id']}/recording.json", headers=API_KEY).status_code == 404
    assert sandbox.get(f"/v3/a/ACC_new/calls/{no_url['id']}/recording.json", headers=API_KEY).json() == {}


@pytest.mark.parametrize(("more", "named"), [({"sound": "ogg"}, "sound"), ({"recording_fault": "odd"}, "kind"), ({"recording_fault": {"kind": "slow", "speed": 1}}, "speed"), ({"recording_fault": 5}, "recording_fault"),
                                             ({"recording_bytes": 0}, "recording_bytes"), ({"listed": 5}, "listed")])
def test_a_wrong_command_names_what_is_wrong(sandbox, more, named):
    answer = sandbox.post("/sandbox/callrail/place-call", json={"to": "+14045550100", "from": "+12148654559", "otto_url": "http://127.0.0.1:9", **more})
    assert answer.status_code == 422 and named in answer.json()["error"]
    assert sandbox.post("/sandbox/callrail/recordings", json={"call": 5}).status_code == 422


# -- the list of calls ------------------------------------------------------------------------------------------------


def registered(sandbox, account, number):
    sandbox.post("/sandbox/callrail/accounts", json={"account_id": account, "numbers": [number]})
    return lambda **query: sandbox.get(f"/v3/a/{account}/calls.json", params=query, headers=API_KEY)


def test_a_webhook_that_never_came_is_listed(sandbox, otto):
    calls = registered(sandbox, "ACC_sweep", "+14045550301")
    silent = place(sandbox, otto, to="+14045550301", events=[], agent_email="anna@roofers.example")
    assert silent["events"] == [] and otto.seen == []
    (call,) = calls().json()["calls"]
    assert (call["id"], call["agent_email"], call["answered"], call["customer_phone_number"]) == (silent["resource_id"], "anna@roofers.example", True, "+12148654559")
    assert call["recording"].endswith(f"/calls/{silent['resource_id']}/recording.json")


def test_what_the_list_tells_otherwise(sandbox, otto):
    calls = registered(sandbox, "ACC_other", "+14045550302")
    place(sandbox, otto, to="+14045550302", listed={"duration": 99, "answered": False})
    hidden = place(sandbox, otto, to="+14045550302", listed=False)
    (call,) = calls().json()["calls"]
    assert (call["duration"], call["answered"], call["agent_email"]) == (99, False, None) and otto.bodies()[2]["duration"] == "183"
    assert sandbox.get(f"/v3/a/ACC_other/calls/{hidden['id']}.json", headers=API_KEY).status_code == 404


def test_the_list_by_time(sandbox, otto):
    calls = registered(sandbox, "ACC_time", "+14045550303")
    # 23:30 on the first in Phoenix is the second in London.
    at = datetime.datetime(2026, 3, 1, 23, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-7)))
    place(sandbox, otto, to="+14045550303", events=[], start_time=at.isoformat())
    count = lambda **query: calls(**query).json()["total_records"]
    assert count(start_date="2026-03-01", end_date="2026-03-01") == 1 and count(start_date="2026-03-02") == 0
    assert count(start_date="2026-03-02T06:30:00Z") == 1 and count(start_date="2026-03-02T06:30:01Z") == 0
    assert count(start_date="2026-03-01T23:30:00") == 1 and count(end_date="2026-03-02T06:29:59+00:00") == 0
    assert calls(start_date="2019-01-01").status_code == 400 and calls(start_date="yesterday").status_code == 422


def test_the_list_by_pages(sandbox, otto):
    calls = registered(sandbox, "ACC_pages", "+14045550304")
    placed = [place(sandbox, otto, to="+14045550304", events=[], start_time=f"2026-04-0{n}T10:00:00-07:00")["resource_id"] for n in range(1, 6)]
    pages = [calls(per_page=2, page=n, order="asc").json() for n in (1, 2, 3)]
    assert [c["id"] for p in pages for c in p["calls"]] == placed and {(p["total_pages"], p["total_records"]) for p in pages} == {(3, 5)}
    got, url = [], f"{sandbox.base_url}/v3/a/ACC_pages/calls.json?relative_pagination=true&per_page=2"
    while url:
        page = sandbox.get(url, headers=API_KEY).json()
        got += [c["id"] for c in page["calls"]]
        assert page["has_next_page"] == (page["next_page"] is not None)
        url = page["next_page"]
    assert got == placed[::-1] and calls(per_page=251).status_code == 400
