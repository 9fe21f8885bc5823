"""Numbers bought at Twilio, and led here: each at most once, whatever becomes of Twilio's answer, counted at the sandbox."""

import concurrent.futures
import os
import signal

import httpx
import pytest

from conftest import eventually, new_number
from test_voice import HOOKS, Voice, data

BUY = "/api/telephony/twilio/purchase-number"


@pytest.fixture(scope="module")
def buyer(stack):
    return Voice(stack)


def buy(company, number, **more):
    return company.stack.http.post(BUY, json={"phoneNumber": number}, headers={"Authorization": f"Bearer {company.manager}"}, **more)


def set_to(company, **what):
    assert httpx.post(company.stack.sandbox + "/sandbox/twilio/purchases", json={"account_sid": company.twilio_account, **what}).status_code == 200


def counted(company, number):
    told = httpx.get(company.stack.sandbox + "/sandbox/twilio/purchases", params={"account_sid": company.twilio_account, "phone_number": number}).json()
    return told["asked"], told["taken"]


def rows(company, number):
    return [n for n in data(company.stack.get("/api/v1/numbers", company.manager, limit=200))["items"] if n["e164"] == number and n["is_active"]]


def of_answer(answer):
    body = answer.json()
    return body.get("data", body)


def test_numbers_for_sale_are_listed_bought_and_ring_here(stack, buyer):
    for_sale = lambda **query: data(stack.get("/api/telephony/twilio/available-numbers", buyer.manager, **query))["items"]  # noqa: E731
    listed = for_sale(country="US", areaCode="602")
    assert len(listed) == 30 and all(n["phoneNumber"].startswith("+1602") for n in listed)
    asked = lambda: len(httpx.get(stack.sandbox + "/sandbox/requests", params={"path": f"{buyer.twilio_account}/AvailablePhoneNumbers/US"}).json())  # noqa: E731
    before = asked()
    assert for_sale(country="US", areaCode="602") == listed and asked() == before  # answered from what is known
    assert for_sale(country="US", areaCode="999") == [] and stack.get("/api/telephony/twilio/available-numbers", buyer.csr).status_code == 403
    number = listed[0]["phoneNumber"]
    answer = buy(buyer, number)
    assert answer.status_code == 200, answer.text
    bought = of_answer(answer)
    assert (bought["success"], bought["phoneNumber"]) == (True, number) and bought["webhooks"]["voice_url"] == stack.url + HOOKS + "incoming-call"
    assert of_answer(buy(buyer, number))["phoneNumber"] == number and counted(buyer, number) == (1, 1)
    ((row,),) = (rows(buyer, number),)
    assert row["provider"] == "twilio" and set(row["purposes"]) == {"voice", "text"}
    (form,) = [said["form"] for said in httpx.get(stack.sandbox + "/sandbox/twilio/purchases", params={"phone_number": number}).json()["record"]]
    assert {"VoiceUrl", "SmsUrl", "StatusCallback"} <= set(form)
    placed = eventually(lambda: (p := buyer.phone(to=number)) and p["recordings"] and p, what="the number's way to the ingress")
    buyer.of(placed, "voicemail", tracking_number=number)


@pytest.mark.parametrize(("fault", "first"), [("resets", {503}), ("fails", {503}), ("busy", {503}), ("takes_and_resets", {200, 503}), ("takes_and_fails", {200, 503}), ("takes_and_garbles", {200, 503})])
def test_a_lost_answer_buys_nothing_twice(stack, buyer, fault, first):
    number = new_number()
    set_to(buyer, phone_number=number, fault=fault, times=1)
    answer = buy(buyer, number)
    assert answer.status_code in first and (answer.status_code == 200 or "again" in answer.text), answer.text
    again = eventually(lambda: (a := buy(buyer, number)).status_code != 503 and a, what="what came of it")
    assert again.status_code == 200 and counted(buyer, number)[1] == 1 and len(rows(buyer, number)) == 1, again.text


@pytest.mark.parametrize("code", [21422, 21404, 21649])
def test_what_twilio_does_not_sell_is_said_in_its_words(buyer, code):
    number = new_number()
    set_to(buyer, phone_number=number, code=code)
    answer = buy(buyer, number)
    assert answer.status_code == 409 and str(code) in answer.text, answer.text
    assert counted(buyer, number) == (1, 0) and rows(buyer, number) == []


def test_nothing_is_asked_for_that_cannot_be_had(stack, buyer):
    other = Voice(stack)
    taken = buy(buyer, other.texts)
    assert taken.status_code == 409 and taken.json()["errors"][0]["field"] == "phoneNumber" and counted(buyer, other.texts) == (0, 0)
    assert buy(buyer, "five").status_code == 422
    assert stack.http.post(BUY, json={"phoneNumber": new_number()}, headers={"Authorization": f"Bearer {buyer.csr}"}).status_code == 403
    made = stack.http.post("/api/v1/company/", params={"name": "Without Twilio"}, headers={"Authorization": f"Bearer {stack.token('manager', user='user_without_twilio')}"})
    nobody = stack.token("manager", made.json()["company_id"], user="user_without_twilio")
    answer = stack.http.post(BUY, json={"phoneNumber": new_number()}, headers={"Authorization": f"Bearer {nobody}"})
    assert answer.status_code == 409 and "/api/v1/onboarding/twilio/connect" in answer.text


def test_a_purchase_under_kill_9_buys_one(stack, buyer):
    number = new_number()
    set_to(buyer, phone_number=number, hold="after", times=1)
    pids = {path.name: int(path.read_text()) for path in (stack.folder / "pids").iterdir() if not path.name.startswith(".")}
    victim = pids.get("company-service", pids.get("all-in-one"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        lost = pool.submit(lambda: httpx.post(stack.url + BUY, json={"phoneNumber": number}, headers={"Authorization": f"Bearer {buyer.manager}"}, timeout=60))
        eventually(lambda: [h for h in httpx.get(stack.sandbox + "/sandbox/twilio/held").json() if h.get("phone_number") == number], what="the purchase that stands still")
        os.kill(victim, signal.SIGKILL)
        httpx.post(stack.sandbox + "/sandbox/twilio/held")
        stack.up()
        assert lost.exception() or lost.result().status_code >= 500
    answer = eventually(lambda: (a := buy(buyer, number)).status_code == 200 and a, what="what came of it")
    assert of_answer(answer)["phoneNumber"] == number and counted(buyer, number) == (1, 1) and len(rows(buyer, number)) == 1


def test_a_number_is_led_here_and_what_kept_it_away_is_named(stack, buyer):
    """Seed 003, "Webhooks Not Receiving": /numbers says which address is wrong at Twilio, and configure-webhooks sets it."""
    number = buyer.texts
    row = rows(buyer, number)[0]
    account, basic = f"{stack.sandbox}/2010-04-01/Accounts/{buyer.twilio_account}", httpx.BasicAuth(buyer.twilio_account, buyer.auth_token)
    (listed,) = httpx.get(account + "/IncomingPhoneNumbers.json", auth=basic, params={"PhoneNumber": number}).json()["incoming_phone_numbers"]
    assert httpx.post(f"{account}/IncomingPhoneNumbers/{listed['sid']}.json", auth=basic, data={"VoiceUrl": "https://old.example/voice", "FriendlyName": "Front desk"}).status_code == 200
    checks = of_answer(buyer.post("/api/v1/onboarding/twilio/test"))["checks"]
    wrong = [c for c in checks if not c["ok"]]
    assert any("https://old.example/voice" in c["detail"] and "configure-webhooks" in c["cure"] for c in wrong), checks
    problem = eventually(lambda: rows(buyer, number)[0].get("webhooks_problem"), what="what is wrong with the number")
    assert "old.example" in problem["cause"] and problem["cure"]
    other = Voice(stack)
    assert stack.http.post("/api/aloha/configure-webhooks", json={"phoneNumberId": row["id"]}, headers={"Authorization": f"Bearer {other.manager}"}).status_code == 404
    led = of_answer(buyer.post("/api/aloha/configure-webhooks", json={"phoneNumberId": row["id"]}))
    assert led["phoneNumber"] == number
    (after,) = httpx.get(account + "/IncomingPhoneNumbers.json", auth=basic, params={"PhoneNumber": number}).json()["incoming_phone_numbers"]
    assert (after["voice_url"], after["status_callback"], after["friendly_name"]) == (stack.url + HOOKS + "incoming-call", stack.url + HOOKS + "call-status", "Front desk")
    assert any("https://old.example/voice" in str(detail) for (detail,) in stack.sql("SELECT detail FROM audit_log WHERE company_id = %s", buyer.id))
