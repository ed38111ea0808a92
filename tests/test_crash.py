"""Odoo is killed in the middle of making mailboxes: each is wholly there, or not at all."""

import threading
import time
import urllib.error

from support.mail_client import eventually

MAILBOXES = 200


def test_kill_in_the_middle_of_creating_mailboxes(second_odoo, hosting, mail, odoo, connect):
    domain, name = hosting.domain("crash")
    client = second_odoo.start()
    sent = []

    def create():
        """One call each as a form would, and calls of ten with a catch-all as an import would."""
        number = 0
        while number < MAILBOXES:
            count = 1 if number % 20 < 10 else 10
            rows = [
                {"domain_id": domain, "local_part": f"user{n}", "password": f"password of {n}",
                 "catch_all": n == number + count - 1}
                for n in range(number, number + count)
            ]
            sent.append([row["local_part"] for row in rows])
            try:
                client("emboux.mailbox").create(rows)
            except (urllib.error.URLError, ConnectionError):
                return
            number += count

    creator = threading.Thread(target=create)
    creator.start()
    eventually("a third of the work", lambda: sum(map(len, sent)) > MAILBOXES // 3, seconds=60)
    time.sleep(0.01)
    second_odoo.kill()
    creator.join(timeout=60)
    assert sum(map(len, sent)) < MAILBOXES, "it was killed before it was done"

    second_odoo.start()
    rows = odoo("emboux.mailbox").search_read(
        [("domain_id", "=", domain)], ["email", "local_part", "has_password"]
    )
    there = {row["local_part"] for row in rows}
    assert there, "some were made before"
    for batch in sent:
        assert there.issuperset(batch) or there.isdisjoint(batch), f"half a call was saved: {batch}"
    assert all(row["has_password"] for row in rows)

    cursor = connect("odoo").cursor()
    cursor.execute("SELECT email FROM emboux_address WHERE email LIKE %s", [f"%_@{name}"])
    assert {row[0] for row in cursor.fetchall()} == {row["email"] for row in rows}
    cursor.execute("SELECT email FROM emboux_mail.logins WHERE email LIKE %s", [f"%@{name}"])
    assert {row[0] for row in cursor.fetchall()} == {row["email"] for row in rows}
    [catch_all] = odoo("emboux.alias").search_read(
        [("domain_id", "=", domain), ("kind", "=", "catch_all")], ["destinations"]
    )
    assert set(catch_all["destinations"].split("\n")) <= {row["email"] for row in rows}

    for row in rows:
        number = row["local_part"].removeprefix("user")
        assert mail.can_login(row["email"], f"password of {number}"), row["email"]
    missing = [local for batch in sent for local in batch if local not in there]
    for local_part in missing:
        number = local_part.removeprefix("user")
        assert not mail.can_login(f"{local_part}@{name}", f"password of {number}")
        hosting.mailbox(domain, local_part, password=f"password of {number}")
        assert mail.can_login(f"{local_part}@{name}", f"password of {number}"), "made by repeating"
