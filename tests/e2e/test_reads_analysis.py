"""What dashboards show of calls that were analysed: analyses, transcripts, recordings, appointments, tasks, people, figures. The rows are put in by hand."""

import datetime
import json
import uuid
import zoneinfo

import psycopg
import pytest

from conftest import Company, by_day, new_number

OBJECTIONS = [{"key": "price", "label": "Price/Budget", "severity": "high"}, {"key": "timing", "label": "Timing", "severity": "low"}]


class World:
    """A company with rows of its own making."""

    def __init__(self, stack):
        self.stack = stack
        zone = by_day()
        self.zone = zoneinfo.ZoneInfo(zone)
        self.company = Company(stack, signing_key=None, timezone=zone)
        self.id = self.company.id
        self.now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)

    def put(self, table, **columns):
        columns = {"company_id": self.id, **columns}
        names = ", ".join(columns)
        self.stack.sql(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})", *[json.dumps(v) if isinstance(v, (dict, list)) else v for v in columns.values()])
        return columns

    def lead(self, **more):
        contact = self.put("contact_cards", id=str(uuid.uuid4()), primary_phone=new_number(), first_name="Kaylah", last_name="Mills")
        lead = self.put("leads", **{"id": str(uuid.uuid4()), "contact_card_id": contact["id"], **more})
        return {**lead, "phone": contact["primary_phone"]}

    def call(self, lead=None, **more):
        lead = lead or self.lead()
        call_id = self.stack.sql("SELECT nextval('call_id_seq')")[0][0]
        columns = {"call_id": call_id, "provider": "callrail", "provider_call_id": f"CAL{call_id}", "phone_number": lead["phone"], "direction": "inbound", "status": "completed", "missed_call": False, "answered": True,
                   "duration": 60, "recording_url": "https://app.callrail.com/recording?access_key=hidden", "started_at": self.now - datetime.timedelta(hours=2), "ended_at": self.now - datetime.timedelta(hours=1),
                   "contact_card_id": lead["contact_card_id"], "lead_id": lead["id"], "received_at": self.now, "merge_state": ""}
        return self.put("calls", **{**columns, **more})

    def analysis(self, call, **more):
        columns = {"call_id": call["call_id"], "booking_status": "not_booked", "lead_quality": "hot", "call_outcome_category": "qualified_but_unbooked", "objections": OBJECTIONS, "sop_compliance_score": 7.5,
                   "sentiment_score": 0.25, "entities": {"address": "1 Main St", "budget": "10k"}, "summary": "Wants a roof.", "raw": {"status": "completed"}, "received_at": self.now}
        return self.put("call_analyses", **{**columns, **more})

    def get(self, path, role="csr", expect=200, user=None, **params):
        token = self.stack.token(role, self.id, **({"user": user} if user else {}))
        answer = self.stack.get("/api/v1" + path, token, **params)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()["data"] if expect == 200 else answer.json()


@pytest.fixture
def world(stack):
    return World(stack)


def test_a_call_shows_its_analysis_and_what_a_person_corrected(world):
    call, other = world.call(), world.call()
    path = f"/calls/{call['call_id']}"
    assert world.get(path)["analysis"] is None and world.get(path)["booking_status"] is None
    world.analysis(call)
    data = world.get(path)
    assert data["booking_status"] == data["analysis"]["booking_status"] == "not_booked"
    assert data["analysis"]["objections"] == OBJECTIONS and data["analysis"]["machine_value"] == {} and "raw" not in data["analysis"]
    assert data["recording_url"] == f"/api/v1/calls/{call['call_id']}/recording" and "access_key" not in json.dumps(data)
    for value in ("service_not_offered", "booked"):
        world.put("analysis_corrections", call_id=call["call_id"], field="booking_status", value=value, user_id="user_m")
    world.put("analysis_corrections", call_id=call["call_id"], field="address", value="2 Oak Ave", user_id="user_m")
    data = world.get(path)
    assert data["booking_status"] == data["analysis"]["booking_status"] == "booked"
    assert data["analysis"]["machine_value"] == {"booking_status": "not_booked", "address": "1 Main St"}
    assert data["analysis"]["entities"] == {"address": "2 Oak Ave", "budget": "10k"}
    correction = next(c for c in data["analysis"]["corrections"] if c["field"] == "booking_status")
    assert (correction["value"], correction["machine_value"], correction["user_id"]) == ("booked", "not_booked", "user_m")
    assert world.get(path + "/analysis")["raw"] == {"status": "completed"}
    assert [c["call_id"] for c in world.get("/calls", booking_status="booked,service_not_offered")["items"]] == [call["call_id"]]
    assert world.get("/calls", booking_status="not_booked")["total"] == 0
    shown = {c["call_id"]: c["booking_status"] for c in world.get("/calls")["items"]}
    assert shown == {call["call_id"]: "booked", other["call_id"]: None}
    assert world.get(f"/leads/{call['lead_id']}")["calls"][0]["booking_status"] == "booked"


@pytest.mark.parametrize("what", ["analysis", "transcript", "recording"])
def test_what_is_not_there_says_why_and_what_to_do(world, what):
    call = world.call()
    state = world.get(f"/calls/{call['call_id']}")["analysis_state"]
    assert state["state"] == "waiting_for_recording" and state["why"] and state["cure"]
    problem = world.get(f"/calls/{call['call_id']}/{what}", expect=404)
    assert state["why"] in problem["detail"] and state["cure"] in problem["detail"]
    stranger = World(world.stack)
    stranger.get(f"/calls/{call['call_id']}/{what}", expect=404)


def test_a_recording_that_cannot_be_had_says_so(world):
    call = world.call()
    world.put("recordings", id=str(uuid.uuid4()), call_id=call["call_id"], status="unavailable", error="CallRail answers 410 Gone")
    assert "410 Gone" in world.get(f"/calls/{call['call_id']}/recording", expect=404)["detail"]
    assert world.get(f"/calls/{call['call_id']}")["analysis_state"]["state"] == "recording_unavailable"


def test_transcript_and_recording(world):
    call = world.call()
    world.put("call_transcripts", call_id=call["call_id"], transcript_text="Hello. I need a roof.", speaker_labels=[{"speaker": "agent", "text": "Hello."}], confidence_score=0.9, language="en-US", word_count=5,
              received_at=world.now)
    world.put("recordings", id=str(uuid.uuid4()), call_id=call["call_id"], status="stored", object_key=f"{world.id}/calls/{call['call_id']}.mp3", format="mp3", bytes=1234, sha256="ab" * 32, duration=60)
    assert world.get(f"/calls/{call['call_id']}")["has_transcript"] is True
    transcript = world.get(f"/calls/{call['call_id']}/transcript")
    assert transcript["transcript_text"].startswith("Hello") and transcript["word_count"] == 5 and transcript["speaker_labels"][0]["speaker"] == "agent"
    headers = {"Authorization": f"Bearer {world.company.csr}"}
    led = world.stack.http.get(f"/api/v1/calls/{call['call_id']}/recording", headers=headers)
    assert led.status_code == 302 and "/media/" in led.headers["Location"] and led.headers["Cache-Control"] == "no-store"
    told = world.stack.http.get(f"/api/v1/calls/{call['call_id']}/recording", headers={**headers, "Accept": "application/json"})
    assert told.status_code == 200 and "/media/" in told.json()["data"]["url"] and told.json()["data"]["format"] == "mp3"
    left = datetime.datetime.fromisoformat(told.json()["data"]["expires_at"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=10) < left < datetime.timedelta(minutes=16)


def test_the_timeline_tells_the_whole_story(world):
    call = world.call()
    world.analysis(call, booking_status="booked")
    world.put("call_transcripts", call_id=call["call_id"], transcript_text="Hello.", received_at=world.now)
    world.put("recordings", id=str(uuid.uuid4()), call_id=call["call_id"], status="stored", object_key="x/y.mp3")
    world.put("analysis_corrections", call_id=call["call_id"], field="lead_quality", value="warm", user_id="user_m")
    world.put("appointments", id=str(uuid.uuid4()), lead_id=call["lead_id"], contact_card_id=call["contact_card_id"], call_id=call["call_id"], needs_time=True)
    world.put("tasks", id=str(uuid.uuid4()), description="Send the quote", call_id=call["call_id"], lead_id=call["lead_id"], contact_card_id=call["contact_card_id"], unique_key=uuid.uuid4().hex)
    items = world.get(f"/calls/{call['call_id']}/timeline")["items"]
    assert {"call", "recording", "transcription", "analysis", "correction", "appointment", "task"} <= {i["kind"] for i in items}
    times = [datetime.datetime.fromisoformat(i["at"].replace("Z", "+00:00")) for i in items]
    assert times == sorted(times)
    card = world.get(f"/contacts/{call['contact_card_id']}")
    assert card["tasks"][0]["description"] == "Send the quote" and card["appointments"][0]["needs_time"] is True
    assert {"appointment", "task"} <= {i["kind"] for i in card["timeline"]}
    lead = world.get(f"/leads/{call['lead_id']}")
    assert len(lead["appointments"]) == len(lead["tasks"]) == 1


def test_appointments_by_day_in_the_company_s_zone(world):
    lead = world.lead(assigned_rep_id="user_rep1")
    today = world.now.astimezone(world.zone).date()
    first, last = (datetime.datetime.combine(today, t, world.zone) for t in (datetime.time(0, 0), datetime.time(23, 59, 59)))
    made = {}
    for name, start, rep, status in (("first", first, "user_rep1", "scheduled"), ("last", last, "user_rep1", "confirmed"), ("yesterday", first - datetime.timedelta(seconds=1), "user_rep1", "completed"),
                                     ("tomorrow", last + datetime.timedelta(seconds=1), "user_rep1", "scheduled"), ("theirs", first, "user_rep2", "scheduled"), ("when", None, "user_rep1", "scheduled")):
        made[name] = world.put("appointments", id=str(uuid.uuid4()), lead_id=lead["id"], contact_card_id=lead["contact_card_id"], scheduled_start=start, assigned_rep_id=rep, status=status, needs_time=start is None,
                               outcome="won" if name == "yesterday" else "pending")["id"]
    names = {v: k for k, v in made.items()}

    def found(path="/appointments", **kwargs):
        data = world.get(path, **kwargs)
        assert data["total"] == len(data["items"])
        return [names[a["id"]] for a in data["items"]]

    assert set(found(date=today.isoformat())) == {"first", "last", "theirs"}
    assert set(found(date_from=today.isoformat())) == {"first", "last", "theirs", "tomorrow"}
    assert set(found(lead_id=lead["id"])) == set(made)
    assert found(outcome="won") == ["yesterday"] and found(rep_id="user_rep2") == ["theirs"] and set(found(status="confirmed,completed")) == {"last", "yesterday"}
    assert found("/appointments/today/self", role="sales_rep", user="user_rep1") == ["first", "last"]
    assert set(found(role="sales_rep", user="user_rep2")) == {"theirs"}
    assert found(sort="scheduled_start", date=today.isoformat())[-1] == "last"
    one = world.get(f"/appointments/{made['first']}", role="sales_rep", user="user_rep1")
    assert one["is_assigned_to_me"] is True and one["customer_name"] == "Kaylah Mills" and one["contact"]["primary_phone"] == lead["phone"]
    world.get(f"/appointments/{made['first']}", role="sales_rep", user="user_rep2", expect=404)
    World(world.stack).get(f"/appointments/{made['first']}", expect=404)
    for params, field in (({"date": "tomorrow"}, "date"), ({"date": "2026-01-01", "date_to": "2026-01-02"}, "date"), ({"status": "lost"}, "status"), ({"lead_id": "1"}, "lead_id"), ({"colour": "red"}, "colour")):
        assert world.get("/appointments", expect=422, **params)["errors"][0]["field"] == field
    seen, cursor = [], None
    while True:
        page = world.get("/appointments", limit=2, **({"cursor": cursor} if cursor else {"sort": "-scheduled_start"}))
        seen += [a["id"] for a in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(seen) == sorted(made.values())


def test_tasks_and_whose_they_are(world):
    mine, other = world.lead(assigned_rep_id="user_rep1"), world.lead(assigned_rep_id="user_rep2")
    hour = datetime.timedelta(hours=1)
    made = {}
    for name, lead, more in (("late", mine, {"assigned_to": "csr", "due_at": world.now - hour, "assignee_id": "user_csr9"}), ("marked", mine, {"assigned_to": "rep", "status": "overdue", "due_at": world.now - hour, "assignee_id": "user_rep1"}),
                             ("soon", mine, {"assigned_to": "rep", "due_at": world.now + hour}), ("done", other, {"status": "completed", "due_at": world.now - hour}), ("theirs", other, {"assigned_to": "rep", "assignee_id": "user_rep2"}),
                             ("free", None, {"assigned_to": "manager"})):
        made[name] = world.put("tasks", id=str(uuid.uuid4()), description=name, unique_key=uuid.uuid4().hex, **({"lead_id": lead["id"], "contact_card_id": lead["contact_card_id"]} if lead else {}), **more)["id"]

    def found(**kwargs):
        data = world.get("/tasks", **kwargs)
        assert data["total"] == len(data["items"])
        return {t["description"] for t in data["items"]}

    assert found() == set(made)
    assert found(overdue="true") == {"late", "marked"} and found(overdue="false") == {"soon", "done", "theirs", "free"}
    # The schedule may say meanwhile that "late" is overdue.
    assert found(status="open,overdue") == set(made) - {"done"} and found(status="completed") == {"done"} and found(assigned_to="rep") == {"marked", "soon", "theirs"} and found(lead_id=mine["id"]) == {"late", "marked", "soon"}
    assert found(contact_card_id=other["contact_card_id"]) == {"done", "theirs"} and found(assignee_id="user_rep2") == {"theirs"}
    assert found(role="sales_rep", user="user_rep1") == {"late", "marked", "soon"} and found(role="sales_rep", user="user_rep3") == set()
    assert [t["description"] for t in world.get("/tasks", sort="due_at", overdue="false", status="open", assigned_to="rep,manager")["items"]][-1] == "soon"
    assert world.get(f"/tasks/{made['free']}")["contact"] is None
    world.get(f"/tasks/{made['theirs']}", role="sales_rep", user="user_rep1", expect=404)
    assert world.get("/tasks", expect=422, overdue="perhaps")["errors"][0]["field"] == "overdue"


def test_people_are_for_managers(world):
    world.put("company_users", id="user_x", email="x@example.com", name="X", role="csr")
    assert "user_x" in [u["id"] for u in world.get("/users", role="manager")["items"]]
    for role in ("csr", "sales_rep", "executive"):
        world.get("/users", role=role, expect=403)


def test_figures_agree_with_the_lists_behind_them(world):
    rows = [("booked", "hot"), ("not_booked", "warm"), ("not_booked", "cold"), ("not_booked", "unqualified"), ("service_not_offered", "hot"), (None, None)]
    for booking, quality in rows:
        call = world.call()
        if booking:
            world.analysis(call, booking_status=booking, lead_quality=quality)
    world.call(missed_call=True, answered=False, status="missed")
    world.analysis(world.call(direction="outbound"), booking_status="booked")
    far = world.call(started_at=world.now - datetime.timedelta(days=40))
    world.analysis(far, booking_status="booked")
    figures = world.get("/metrics/csr/overview")
    window = {"date_from": figures["date_from"], "date_to": figures["date_to"], "direction": "inbound"}
    assert figures["total_calls"] == world.get("/calls", **window)["total"] == 7
    assert figures["missed_calls"] == world.get("/calls", missed_call="true", **window)["total"] == 1
    assert figures["booked_calls"] == world.get("/calls", booking_status="booked", lead_quality="hot,warm,cold", **window)["total"] == 1
    assert figures["service_not_offered_calls"] == world.get("/calls", booking_status="service_not_offered", **window)["total"] == 1
    assert figures["qualified_but_unbooked_calls"] == world.get("/metrics/csr/unbooked-appointments")["total"] == 2
    assert figures["qualified_calls"] == 4 and figures["booking_rate"] == 0.25 and figures["qualified_rate"] == pytest.approx(4 / 7)
    assert figures["avg_compliance_score"] == pytest.approx(7.5) and figures["avg_objections_per_qualified_call"] == 2
    assert figures["top_reason_for_missed_bookings"] == "Price/Budget"
    self_figures = world.get("/metrics/csr/overview/self")
    assert self_figures["qualified_but_unbooked_calls"] == 2 and self_figures["top_missed_booking_reason"] == "Price/Budget"
    top = world.get("/metrics/csr/objections/top")
    assert [(o["objection_key"], o["label"], o["occurrence_count"], o["occurrence_rate"]) for o in top["top_objections"]] == [("price", "Price/Budget", 5, 1), ("timing", "Timing", 5, 1)]
    assert top["total_calls_considered"] == 5
    item = world.get("/metrics/csr/unbooked-appointments")["items"][0]
    assert item["primary_objection"] == "Price/Budget" and item["booking_status"] == "not_booked" and item["qualification_status"] in ("warm", "cold")
    assert world.get("/metrics/exec/csr", role="manager") == world.get("/metrics/exec/csr/overview", role="executive")
    assert world.get("/metrics/exec/sales", role="manager") == world.get("/metrics/exec/sales/overview", role="executive")
    assert world.get("/metrics/exec/csr", role="manager")["booked_calls"] == 1
    assert world.get("/metrics/exec/company-overview", role="manager")["total_leads"] == world.get("/leads", date_from=figures["date_from"], date_to=figures["date_to"])["total"]
    assert sum(p["booked_appointments"] for p in world.get("/metrics/csr/booking-trend")["points"]) == 1
    assert world.get("/metrics/csr/booking-trend/self", granularity="month")["summary"]["total_booked_calls"] == 1


def test_sales_figures_and_who_may_see_them(world):
    lead = world.lead()
    day = world.now - datetime.timedelta(days=1)
    for rep, status, outcome in (("user_rep1", "completed", "won"), ("user_rep1", "completed", "lost"), ("user_rep1", "scheduled", "pending"), ("user_rep2", "no_show", "no_show")):
        world.put("appointments", id=str(uuid.uuid4()), lead_id=lead["id"], contact_card_id=lead["contact_card_id"], scheduled_start=day, assigned_rep_id=rep, status=status, outcome=outcome, deal_size_cents=100 if outcome == "won" else None)
    own = world.get("/metrics/sales/rep/overview/self", role="sales_rep", user="user_rep1")
    assert (own["total_appointments"], own["won_appointments"], own["lost_appointments"], own["pending_appointments"], own["win_rate"]) == (3, 1, 1, 1, 0.5)
    assert own["total_appointments"] == world.get("/appointments", rep_id="user_rep1", date_from=own["date_from"], date_to=own["date_to"])["total"]
    assert world.get("/metrics/sales/rep/user_rep1", role="manager") == own
    assert world.get("/metrics/sales/rep/user_rep2", role="executive")["attendance_rate"] == 0
    world.get("/metrics/sales/rep/user_rep2", role="sales_rep", user="user_rep1", expect=404)
    world.get("/metrics/sales/rep/user_nobody", role="manager", expect=404)
    team = world.get("/metrics/sales/team", role="manager")
    assert {r["rep_id"]: r["total_appointments"] for r in team["reps"]} == {"user_rep1": 3, "user_rep2": 1}
    overview = world.get("/metrics/exec/company-overview", role="executive")
    assert (overview["total_closed_deals"], overview["sales_output_amount"], overview["close_rate"]) == (1, 100, 0.25)
    assert overview["who_dropping_ball"]["worst_rep_id"] == "user_rep1"
    for path in ("/metrics/sales/team", "/metrics/exec/csr", "/metrics/exec/sales", "/metrics/exec/company-overview"):
        world.get(path, role="csr", expect=403)
        world.get(path, role="sales_rep", expect=403)
    for path in ("/metrics/csr/overview", "/metrics/csr/booking-trend", "/metrics/csr/missed-call-recovery"):
        world.get(path, role="sales_rep", expect=403)


def test_missed_calls_and_what_became_of_their_leads(world):
    booked, open_ = world.lead(status="qualified_booked"), world.lead()
    for lead in (booked, open_, open_):
        world.call(lead, missed_call=True, answered=False, status="missed")
    world.call(open_, direction="outbound", started_at=world.now)
    world.put("tasks", id=str(uuid.uuid4()), description="Call back", lead_id=open_["id"], contact_card_id=open_["contact_card_id"], unique_key=uuid.uuid4().hex)
    data = world.get("/metrics/csr/missed-call-recovery")
    assert data["metrics"] == {"missed_calls_count": 3, "saved_calls_count": 1, "saved_calls_via_auto_rescue_count": 0, "booked_leads_count": 1, "pending_leads_count": 1, "dead_leads_count": 0}
    pending = data["pending_leads"][0]
    assert (pending["lead_id"], pending["pending_action"], pending["attempts_count"], pending["missed_calls"]) == (open_["id"], "Call back", 1, 2)
    assert data["booked_leads"][0]["lead_id"] == booked["id"] and data["dead_leads"] == []


def test_a_read_that_takes_too_long_ends_and_says_what_to_narrow(world):
    """It is made to: the function by which it finds its days sleeps."""
    owner = next(line.split("=", 1)[1] for line in (world.stack.folder / "env").read_text().splitlines() if line.startswith("OTTO_PG_URL="))
    with psycopg.connect(owner, autocommit=True) as db:
        former = db.execute("SELECT pg_get_functiondef('zone_or_utc(text)'::regprocedure)").fetchone()[0]
        db.execute("CREATE OR REPLACE FUNCTION zone_or_utc(zone text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(60); RETURN 'UTC'; END $$")
        try:
            problem = world.get("/metrics/csr/overview", expect=503)
            listed = world.get("/calls", expect=503, date_from="2026-01-01", search="x")
        finally:
            db.execute(former)
    assert "Narrow" in problem["detail"] and "date_from" in problem["detail"] and "search" in listed["detail"]
    assert world.get("/metrics/csr/overview")["total_calls"] == 0


def test_a_rep_sees_nothing_of_another_s_lead_on_a_card_that_both_have(world):
    contact = world.put("contact_cards", id=str(uuid.uuid4()), primary_phone=new_number(), first_name="Kaylah")
    closed = world.put("leads", id=str(uuid.uuid4()), contact_card_id=contact["id"], status="closed_lost", assigned_rep_id="user_rep2")
    mine = world.put("leads", id=str(uuid.uuid4()), contact_card_id=contact["id"], assigned_rep_id="user_rep1")
    theirs = world.call({**closed, "phone": contact["primary_phone"]}, note="PRIVATE-NOTE")
    own = world.call({**mine, "phone": contact["primary_phone"]}, note="own note")
    world.get(f"/calls/{theirs['call_id']}", role="sales_rep", user="user_rep1", expect=404)
    card = world.get(f"/contacts/{contact['id']}", role="sales_rep", user="user_rep1")
    assert "PRIVATE-NOTE" not in json.dumps(card) and [c["call_id"] for c in card["calls"]] == [own["call_id"]] and [x["id"] for x in card["leads"]] == [mine["id"]]
    assert {c["call_id"] for c in world.get(f"/contacts/{contact['id']}")["calls"]} == {own["call_id"], theirs["call_id"]}
