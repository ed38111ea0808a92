# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import contextmanager
from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import PlatformCase

ADDONS = {"emboux_core", "emboux_mail_api"}
#: What cannot be changed at all, by anybody: tested where it is refused.
FIXED = {
    ("emboux.domain", "name"),
    ("emboux.domain", "backend_id"),
    ("emboux.mailbox", "email"),
    ("emboux.alias", "email"),
    ("emboux.backend", "kind"),
    ("emboux.provider", "kind"),
    ("emboux.domain", "outbound_tier"),  # without plans there is one alone
}
#: What has no chatter of its own: a key's life is told on its domain's, and a list of a million
#: recipients stands in the trail alone.
WITHOUT_CHATTER = {
    "emboux.dkim.key", "emboux.held.message", "emboux.suppression",
    # lists that are edited row by row
    "emboux.hold.rule", "emboux.route",
}
#: Where another value of the field's type is not enough.
VALUES = {
    "forward_to": "forward@elsewhere.example",
    "destinations": "other@elsewhere.example",
    "networks": "192.0.2.0/24",
    "outbound_hourly_fraction": 0.5,
    "url": "https://other.example",
    "postmaster": "postmaster@other.example",
    "role": "master",
    "tls_report_address": "tls@other.example",
    "region": "us",
    "endpoint": "https://other.example",
    "webhook_url": "https://other.example/hook",
}


@tagged("post_install", "-at_install")
class TestAuditChatter(PlatformCase):
    """Every change stands on the record's chatter too, with who made it; nothing twice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Acme"})
        cls.key, _secret = cls.env["emboux.api.key"]._make(
            {"name": "Shop of Acme", "partner_id": cls.partner.id}
        )
        cls.who = cls.key.sudo().user_id

    @contextmanager
    def _undone(self):
        savepoint = self.env.cr.savepoint()
        try:
            yield
        finally:
            self.env.cr.precommit.clear()
            savepoint.close(rollback=True)
            self.env.invalidate_all(flush=False)

    def _records(self):
        """One of each audited model."""
        remote = self.env["emboux.backend"].create(
            {"name": "Remote", "kind": "emboux", "url": "https://remote.example"}
        )
        return {
            "emboux.domain": self.make_domain("audited.example", state="verified"),
            "emboux.mailbox": self.make_mailbox("ann", vacation_text="I am away."),
            "emboux.alias": self.make_alias("sales", "a@elsewhere.example"),
            "emboux.backend": remote,
            "emboux.customer": self.env["emboux.customer"]._for_partner(self.partner),
            "emboux.api.key": self.key,
            "emboux.provider": self.env["emboux.provider"].create(
                {"name": "Mailgun", "kind": "mailgun", "region": "eu"}
            ),
            "emboux.webhook": self.env["emboux.webhook"].create(
                {"name": "Shop", "url": "https://shop.example/"}
            ),
        }

    def _other_value(self, record, name):
        field, now = record._fields[name], record.sudo()[name]
        if name in VALUES:
            return VALUES[name]
        if field.type == "many2one":
            values = {"name": "Other"}
            if field.comodel_name == "emboux.domain":
                return self.make_domain("above.example", state="verified", is_wildcard=True).id
            if field.comodel_name == "emboux.webhook":
                values["url"] = "https://other.example/"
            return self.env[field.comodel_name].create(values).id
        if field.type == "many2many":
            return [(6, 0, self.env[field.comodel_name].search([], limit=1).ids)]
        if field.type == "selection":
            return next(v for v, _label in field._description_selection(self.env) if v != now)
        return {
            "boolean": lambda: not now,
            "integer": lambda: now + 1,
            "float": lambda: now + 1,
            "date": lambda: fields.Date.today() + timedelta(days=9),
            "datetime": lambda: fields.Datetime.now() + timedelta(days=9),
        }.get(field.type, lambda: "other.example")()

    def _told_by(self, messages, name, label):
        """The messages that tell of a field: by Odoo's tracking, or by the note's words."""
        return messages.filtered(
            lambda m: name in m.tracking_value_ids.field_id.mapped("name")
            or f"{label}:" in (m.body or "")
        )

    def test_every_audited_field_of_every_model(self):
        records = self._records()
        audited = {
            model for model, cls in self.env.registry.items()
            if not cls._abstract and "_audited_fields" in dir(cls) and cls._fields
            and cls._original_module in ADDONS  # others' add-ons have tests of their own
        }
        self.assertEqual(
            audited - WITHOUT_CHATTER, set(records), "a new audited model: try it here"
        )
        trail, messages = self.env["emboux.audit"].sudo(), self.env["mail.message"].sudo()
        tried = 0
        for model, record in records.items():
            self.assertIn("message_ids", record._fields, f"{model} has no chatter")
            for name in record._audited():
                if (model, name) in FIXED or not (
                    ADDONS & set(record._fields[name]._modules)):
                    continue
                with self.subTest(model=model, field=name), self._undone():
                    values = {name: self._other_value(record, name)}
                    if name == "role":
                        values["partner_id"] = False  # a master key is nobody's
                    self.env.cr.flush()
                    last = (trail.search([], limit=1).id,
                            messages.search([], limit=1, order="id desc").id)
                    record.with_user(self.who).sudo().write(values)
                    self.env.cr.flush()
                    label = record._fields[name].string
                    of_it = [("model", "=", model), ("res_id", "=", record.id)]
                    entry = trail.search([("id", ">", last[0]), *of_it])
                    self.assertEqual(entry.user_id, self.who)
                    # what follows from it may stand beside it
                    self.assertIn(f"{label}: ", "; ".join(entry.mapped("changes")))
                    told = self._told_by(
                        messages.search([("id", ">", last[1]), *of_it]), name, label
                    )
                    self.assertEqual(len(told), 1, "once, not twice")
                    self.assertEqual(told.author_id, self.who.partner_id)
                    tried += 1
        self.assertGreater(tried, 40)

    def _notes(self, record):
        self.env.cr.flush()
        return [
            str(message.body)
            for message in self.env["mail.message"].sudo().search(
                [("model", "=", record._name), ("res_id", "=", record.id)], order="id")
        ]

    def test_password_is_told_without_anything_else(self):
        mailbox = self.make_mailbox("ann")
        self.env.cr.flush()
        mailbox.password = "a very secret word"
        self.assertEqual(self._notes(mailbox)[1:], ["<span>Password changed</span>"])

    def test_several_changes_of_one_transaction_are_one_note(self):
        domain = self.make_domain("audited.example", state="verified")
        before = len(self._notes(domain))
        domain.write({"retention_junk": 30, "transfer_limit": 5})
        domain.write({"retention_trash": 7})
        # as superuser: the reason follows from the block
        domain.sudo().outbound_reason = "<b>bold</b>"
        [note] = self._notes(domain)[before:]
        self.assertEqual(note.count("<br>"), 2)
        for words in ("Junk (days): 0 → 30", "(bytes): 0 → 5", "Trash (days): 0 → 7",
                      "&lt;b&gt;bold"):
            self.assertIn(words, note)

    def test_what_is_new_or_gone_has_no_more_lines_than_before(self):
        mailboxes = self.env["emboux.mailbox"].create(
            [{"local_part": f"n{n}", "domain_id": self.domain.id, "password": "some password 1"}
             for n in range(2)]
        )
        for mailbox in mailboxes:
            self.assertEqual(len(self._notes(mailbox)), 1, "its creation alone")
        mailboxes.write({"name": "Going"})
        gone = mailboxes.ids
        mailboxes._delete_with_mail()
        self.env.cr.flush()
        left = self.env["mail.message"].sudo().search_count(
            [("model", "=", "emboux.mailbox"), ("res_id", "in", gone)])
        self.assertEqual(left, 0)

    def test_many_records_are_few_statements(self):
        """One write of many mailboxes: the notes come in one batch."""
        counts = []
        for many in (10, 200):
            mailboxes = self.env["emboux.mailbox"].create(
                [{"local_part": f"m{many}.{n}", "domain_id": self.domain.id}
                 for n in range(many)]
            )
            self.env.cr.flush()
            before = self.env.cr.sql_log_count
            mailboxes.write({"name": "Renamed"})
            self.env.cr.flush()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 4, counts)
