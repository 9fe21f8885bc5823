"""What one stranger does beside everybody else's work."""

import socket
import time
import uuid

import httpx

from conftest import Company, eventually


def test_bodies_that_stand_still_stop_nobody(stack, company):
    url = httpx.URL(stack.url)
    heads = [
        "POST /api/v1/callrail/call.completed HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2097152\r\n\r\n{",
        "POST /api/v1/callrail/call.completed HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
        f"POST /api/v1/shunya/webhook HTTP/1.1\r\nHost: h\r\nX-Shunya-Signature: {'0' * 64}\r\nX-Shunya-Timestamp: {int(time.time() * 1000)}\r\nContent-Length: 33554432\r\n\r\n",
    ]
    stalled = []
    try:
        for n in range(33):
            connection = socket.create_connection((url.host, url.port), timeout=30)
            connection.sendall(heads[n % 3].encode())
            stalled.append(connection)
        company.settled_call(company.call(), "completed")
        company.post("/api/v1/tasks", json={"description": f"Call back {uuid.uuid4()}"})
    finally:
        for connection in stalled:
            connection.close()


def test_a_suspended_company_is_told_so_and_goes_on_when_it_is_active(stack):
    company = Company(stack)
    stack.sql("UPDATE companies SET status = 'suspended' WHERE id = %s", company.id)
    try:
        eventually(lambda: stack.get("/api/v1/tasks", company.manager).status_code == 403, what="the end of what was known of its status")
        eventually(lambda: stack.http.post("/api/v1/tasks", json={"description": "x"}, headers={"Authorization": f"Bearer {company.manager}"}).status_code == 403)
        answer = stack.get("/api/v1/calls", company.csr)
        assert answer.status_code == 403 and "suspended" in answer.json()["detail"]
        assert stack.get(f"/api/v1/company/{company.id}", company.manager).json()["data"]["status"] == "suspended"
    finally:
        stack.sql("UPDATE companies SET status = 'active' WHERE id = %s", company.id)
    eventually(lambda: stack.get("/api/v1/calls", company.csr).status_code == 200)
    eventually(lambda: stack.get("/api/v1/tasks", company.manager).status_code == 200)
