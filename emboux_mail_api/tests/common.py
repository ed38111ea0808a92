# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import itertools

from psycopg2 import IntegrityError

from odoo.tests import TransactionCase
from odoo.tools import SQL, mute_logger

_NUMBERS = itertools.count(10**12)  # of messages


class PlatformCase(TransactionCase):
    """A verified domain ``unit.example`` on the local backend."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # not as the superuser, who may do what no person may
        cls.env = cls.env(user=cls.env.ref("base.user_admin"))
        cls.backend = cls.env.ref("emboux_mail_api.backend_local")
        cls.backend.write(
            {
                "mail_host": "mail.unit.example",
                "smtp_host": "mail.unit.example",
                "imap_host": "mail.unit.example",
            }
        )
        cls.domain = cls.make_domain("unit.example", state="verified")

    @classmethod
    def make_domain(cls, name, **values):
        return cls.env["emboux.domain"].create(
            {"name": name, "backend_id": cls.backend.id, **values}
        )

    @classmethod
    def log_message(cls, domain, **values):
        """A row of the message log, as the reader of logs writes it."""
        row = {
            "id": next(_NUMBERS), "expires": "2099-01-01", "at": "2026-11-20 10:00:00",
            "changed_at": "2026-11-20 10:00:00", "direction": "out", "status": "delivered",
            "domain_id": domain.id, "partner_id": domain.partner_id.id or None,
            "company_id": domain.company_id.id, "host": "mail", "queue_id": "4A1B2C3D4E",
            "message_id": "", "login": f"ann@{domain.name}", "client": "laptop[192.0.2.7]",
            "sender": f"ann@{domain.name}", "recipient": "joe@outside.example",
            "original_recipient": "", "size": 1500, "attempts": 1, "relay": "", "receiver": "",
            "dsn": "2.0.0", "answer": "250 2.0.0 OK", "events": "[]",
        } | values
        cls.env.cr.execute("SELECT emboux_mail.message_days(ARRAY[%s::date])", [row["expires"]])
        cls.env.cr.execute(SQL(
            "INSERT INTO emboux_mail.message (%s) VALUES %s",
            SQL(", ").join(map(SQL.identifier, row)), tuple(row.values())))
        return cls.env["emboux.message"].browse(row["id"])

    @classmethod
    def make_mailbox(cls, local_part, domain=None, **values):
        return cls.env["emboux.mailbox"].create(
            {"local_part": local_part, "domain_id": (domain or cls.domain).id, **values}
        )

    @classmethod
    def make_alias(cls, local_part, destinations, domain=None, **values):
        return cls.env["emboux.alias"].create(
            {
                "local_part": local_part,
                "domain_id": (domain or cls.domain).id,
                "destinations": destinations,
                **values,
            }
        )

    def assert_taken(self, model, create, words):
        """The database refuses, with these words for the user (as the web client gets them)."""
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError) as caught:
            create()
        self.assertIn(words, self.env[model]._sql_error_to_message(caught.exception))

    def rows(self, statement, *parameters):
        self.env.flush_all()
        self.env.cr.execute(statement, parameters or None)
        return self.env.cr.fetchall()
