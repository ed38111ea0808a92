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
    answers = while_checks_wait(slow, domains(slow), MANY, lambda: prompt(other))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len(refused) >= MANY - 8
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert all("Repeat this one" in answer.json()["detail"] for answer in refused)


def test_bodies_that_dribble_leave_the_others_answered(customers):
    slow, other = customers(), customers()
    answers = while_bodies_dribble(slow, MANY, lambda: prompt(other))
    assert set(answers) <= {408, 429}, answers
    assert 0 < answers.count(408) <= 8


def test_with_workers_too_one_is_left_for_the_others(customers, domains, silence, second_odoo):
    """There each process has one request, so that the places are counted in the database."""
    second_odoo.start(options=("--workers=3",))
    slow, other = customers(), customers()
    name = domains(slow)
    for api in (slow, other):
        api.url = second_odoo.url + urlsplit(api.url).path
    answers = while_checks_wait(slow, name, 4, lambda: prompt(other))
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429, 429]
    answers = while_bodies_dribble(slow, 4, lambda: prompt(other))
    assert sorted(answers) == [408, 429, 429, 429]


def while_checks_wait(api, name, many, ask):
    """The answers to so many checks at once; ``ask`` has to be answered at once meanwhile."""
    with ThreadPoolExecutor(many) as pool:
        asked = [
            pool.submit(api, *(("GET", f"/domains/{name}/dns-check") if n % 2
                               else ("POST", f"/domains/{name}/verify")))
            for n in range(many)
        ]
        time.sleep(1)  # until they have come: nothing to be seen from outside
        waited = max(ask() for _ in range(3))
        answers = [one.result() for one in asked]
    assert waited < PROMPT
    return answers


def while_bodies_dribble(api, many, ask):
    """As ``while_checks_wait``, of requests whose bodies come byte by byte: their statuses."""
    address = urlsplit(api.url)
    head = (
        f"POST {address.path}/users/ HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {api.key}\r\nContent-Type: application/json\r\n"
    ).encode()
    connections, answers, waited = [], {}, []
    for number in range(many):
        connection = socket.create_connection((address.hostname, address.port), timeout=20)
        connection.sendall(head + (b"Content-Length: 4000\r\n\r\n{" if number % 2 else
                                   b"Transfer-Encoding: chunked\r\n\r\nfff\r\n{"))
        connections.append(connection)
    began = time.monotonic()
    while len(answers) < many and time.monotonic() - began < 40:
        for connection in connections:
            if connection not in answers and dribbles_no_more(connection):
                answers[connection] = int(connection.recv(100).split()[1])
        waited.append(ask())
        time.sleep(0.2)
    for connection in connections:
        connection.close()
    assert len(answers) == many, f"{many - len(answers)} are still served"
    assert max(waited) < PROMPT
    return list(answers.values())


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
