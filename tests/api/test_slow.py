"""Requests that wait, for silent name servers or for a client that dribbles, and the others."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from support.api_client import done

#: More than the server has threads.
MANY = 48
#: Seconds in which others are answered, on a busy machine too; each of MANY waits for ten.
PROMPT = 5


@pytest.fixture
def silence(odoo):
    """Every name server keeps silent until the test is over."""
    parameters, name = odoo("ir.config_parameter"), "emboux_core.dns_nameservers"
    before = parameters.get_param(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        parameters.set_param(name, f"127.0.0.1:{mute.getsockname()[1]}")
        yield
        parameters.set_param(name, before)


def prompt(api):
    began = time.monotonic()
    done(api.get("/domains/"))
    return time.monotonic() - began


def test_slow_checks_of_one_key_leave_the_others_answered(customers, domains, silence):
    slow, other = customers(), customers()
    name = domains(slow)
    with ThreadPoolExecutor(MANY) as pool:
        asked = [
            pool.submit(slow, *(("GET", f"/domains/{name}/dns-check") if n % 2
                                else ("POST", f"/domains/{name}/verify")))
            for n in range(MANY)
        ]
        time.sleep(1)  # until they have come: nothing to be seen from outside
        waited = max(prompt(other) for _ in range(3))
        answers = [one.result() for one in asked]
    assert waited < PROMPT
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len(refused) >= MANY - 8
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert all("Repeat this one" in answer.json()["detail"] for answer in refused)


def test_bodies_that_dribble_leave_the_others_answered(customers):
    slow, other = customers(), customers()
    address = urlsplit(slow.url)
    head = (
        f"POST {address.path}/users/ HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {slow.key}\r\nContent-Type: application/json\r\n"
    ).encode()
    connections, answers = [], {}
    for number in range(MANY):
        connection = socket.create_connection((address.hostname, address.port), timeout=20)
        connection.sendall(head + (b"Content-Length: 100\r\n\r\n{" if number % 2 else
                                   b"Transfer-Encoding: chunked\r\n\r\n20\r\n{"))
        connections.append(connection)
    began = time.monotonic()
    waited = []
    while len(answers) < MANY and time.monotonic() - began < 40:
        for connection in connections:
            if connection not in answers and dribbles_no_more(connection):
                answers[connection] = int(connection.recv(100).split()[1])
        waited.append(prompt(other))
        time.sleep(0.2)
    for connection in connections:
        connection.close()
    assert len(answers) == MANY, f"{MANY - len(answers)} are still served"
    assert set(answers.values()) <= {408, 429, 503}, answers.values()
    assert list(answers.values()).count(408) <= 8
    assert max(waited) < PROMPT


def dribbles_no_more(connection):
    """Send one more byte; whether there is an answer."""
    try:
        connection.send(b" ")
        connection.settimeout(0.001)
        return bool(connection.recv(1, socket.MSG_PEEK))
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True
