# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Mail that is sent by HTTP.

Each recipient has a row of the message log, written and committed before anybody is called, and an
envelope sender of its own, whose tag is in that row: so the mail server lets the login use it, the
reader of the logs finds the row, and what comes back finds its message.
"""

import base64
import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta

import psycopg2.extras

from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.emboux_core.net import signature
from odoo.addons.emboux_core.transactions import own_transaction

from ..emboux_daemons.policy.sentences import SUPPRESSED
from ..sending.submit import Server, Submission, Unreachable
from ..settings import MESSAGE_DAYS

_logger = logging.getLogger(__name__)

LATEST = timedelta(days=60)
#: Addresses of this domain play what becomes of a message; nothing leaves for it (RFC 2606).
SANDBOX = "sandbox.invalid"
LIMITED = ("sending limit", "looks like a loop", "is warming up", "on its usual days")
LIMIT = "recipientLimitReached"
_SEND_SECRET, _RETURNS_SECRET = (
    "emboux_mail_api.send_secret", "emboux_mail_api.returns_secret")  # fmt: skip


class SendError(UserError):
    """It is not sent; ``code`` as mox names it, ``field`` of the request or none."""

    def __init__(self, status, code, sentence, field=None):
        super().__init__(sentence)
        self.http_status, self.code, self.field = status, code, field


@dataclass
class Sent:
    """Of one recipient."""

    id: int
    recipient: str
    status: str
    from_id: str
    code: str = ""
    text: str = ""


class MessageSend(models.Model):
    _inherit = "emboux.message"

    # -- secrets of this database ----------------------------------------------------------

    @api.model
    @api.private
    def _make_secrets(self):
        """At installation: what this Odoo logs in with, and what reports are signed with."""
        # as superuser: system parameters are administrators' alone
        parameters = self.env["ir.config_parameter"].sudo()
        for key, make in ((_SEND_SECRET, lambda: secrets.token_urlsafe(32)),
                          (_RETURNS_SECRET, signature.new_secret)):
            if not parameters.get_param(key):
                parameters.set_param(key, make())

    def _password_of(self, mailbox):
        """As ``emboux_mail.service_login_of`` expects it (sql/views.sql)."""
        # as superuser: see above; and the folder is in nobody's reach
        secret = self.env["ir.config_parameter"].sudo().get_param(_SEND_SECRET)
        known = f"{secret}:{mailbox.sudo().mail_folder}"
        return hashlib.sha256(known.encode()).hexdigest()

    # -- who may send ----------------------------------------------------------------------

    @api.model
    @api.private
    def _mailbox_for(self, sender):
        """The mailbox that submits what is from this address.

        :raises SendError: badFrom, domainDisabled.
        """
        domain = self.env["emboux.domain"].search(
            [("name", "=", sender.rpartition("@")[2]), ("backend_id.kind", "=", "local")],
            order="owned_since", limit=1)  # several may claim it; the owner's comes first
        if not domain:
            raise SendError(
                403, "badFrom",
                self.env._("%s is not in a domain that this key may send from.", sender), "from")
        # as superuser: a customer does not see the operator's parent
        note = domain.sudo().sending_note
        if domain.state != "verified" or not domain.owned_since or note:
            raise SendError(409, "domainDisabled", note or self.env._(
                "%s may not send now: it is suspended or not verified yet.", domain.display_name),
                "from")
        mailboxes = self.env["emboux.mailbox"]
        mailbox = mailboxes.search(
            [("email", "=", sender), ("domain_id", "=", domain.id), ("state", "=", "active")],
            limit=1,
        ) or mailboxes.search(
            [("domain_id", "=", domain.id), ("send_as", "=", "domain"), ("state", "=", "active")],
            order="id", limit=1)
        if not mailbox:
            raise SendError(403, "badFrom", self.env._(
                "%(sender)s is no mailbox, and no mailbox of %(domain)s sends for the whole "
                "domain. Create it, or let one send as any address of the domain.",
                sender=sender, domain=domain.display_name), "from")
        return mailbox

    # -- sent -----------------------------------------------------------------------------

    @api.model
    @api.private
    def _send(self, composed, *, test=False, send_at=None, extra=None, tags=()):
        """Send a composed message to each recipient; returns [``Sent``], in their order.

        ``test``: nothing leaves.  ``send_at``: naive UTC.
        :raises SendError: none of it is sent.
        """
        mailbox = self._mailbox_for(composed.sender)
        now = fields.Datetime.now()
        later = bool(send_at and send_at > now)
        if later and send_at > now + LATEST:
            raise SendError(422, "user", self.env._(
                "It can be sent within the next %s days.", LATEST.days), "send_at")
        rows = [
            self._row_of(mailbox, composed, recipient, extra, tags)
            for recipient in composed.recipients
        ]
        with own_transaction(self) as own:
            own._insert_rows(rows)
            if later:
                own.env["emboux.submission"]._keep(mailbox, composed.raw, rows, send_at, test)
        if later:
            return [
                Sent(row["id"], row["recipient"], "accepted", row["from_id"]) for row in rows]
        try:
            sent = self._submit(mailbox, composed.raw, rows, test)
        except Unreachable as error:
            self._forget_rows(rows)
            _logger.warning("mail of %s is not submitted: %s", mailbox.email, error)
            raise SendError(503, "server", self.env._(
                "The mail server takes nothing just now. Repeat the request.")) from None
        if all(each.code == LIMIT for each in sent):
            # nothing was taken: the request is to be repeated
            raise SendError(429, LIMIT, sent[0].text)
        return sent

    def _row_of(self, mailbox, composed, recipient, extra, tags):
        domain = mailbox.domain_id
        now = fields.Datetime.now()
        inside = self.env["emboux.domain"].search_count(
            [("name", "=", recipient.rpartition("@")[2]), ("owned_since", "!=", False),
             ("partner_id", "=", domain.partner_id.id)], limit=1)
        days = MESSAGE_DAYS.read(self.env)
        return {
            "expires": now.date() + timedelta(days=min(domain.message_days or days, days)),
            "at": now, "changed_at": now, "direction": "internal" if inside else "out",
            "status": "accepted", "domain_id": domain.id,
            "partner_id": domain.partner_id.id or None, "company_id": domain.company_id.id or None,
            "host": "", "queue_id": "", "message_id": composed.message_id, "login": mailbox.email,
            "client": "HTTP", "sender": composed.sender, "recipient": recipient,
            "original_recipient": "", "size": len(composed.raw), "attempts": 0, "relay": "",
            "receiver": "", "dsn": "", "answer": "", "events": psycopg2.extras.Json([]),
            # 130 random bits, of letters that survive as lower case
            "from_id": base64.b32encode(secrets.token_bytes(17))[:26].decode().lower(),
            "extra": psycopg2.extras.Json(extra or {}), "tags": psycopg2.extras.Json(list(tags)),
        }

    def _insert_rows(self, rows):
        cr = self.env.cr
        cr.execute("SELECT emboux_mail.message_days(%s)", [sorted({r["expires"] for r in rows})])
        # of a thousand numbers the sequence gives the first
        cr.execute("SELECT nextval('emboux_mail.message_id')"
                   " FROM generate_series(1, %s)", [-(-len(rows) // 1000)])
        numbers = (first + n for (first,) in cr.fetchall() for n in range(1000))
        for row, number in zip(rows, numbers, strict=False):
            row["id"] = number
        columns = list(rows[0])
        psycopg2.extras.execute_values(
            cr._obj, f"INSERT INTO emboux_mail.message ({', '.join(columns)}) VALUES %s",
            [[row[name] for name in columns] for row in rows])

    @api.private
    def _submit(self, mailbox, raw, rows, test=False, later=False):
        """Hand what has rows to the mail server, and write down what it refuses.

        ``later``: it is tried again, so that what is put off is no refusal; its status is delayed.
        :raises Unreachable: the server is away, and has taken nothing.
        """
        sent = []
        for row in rows:
            if test or row["recipient"].endswith(f"@{SANDBOX}"):
                sent.append(self._play(row))
        played = len(sent)
        real = [row for row in rows if row["id"] not in {each.id for each in sent}]
        try:
            if real:
                with self._session(mailbox) as session:
                    for row in real:
                        sent.append(self._submit_one(session, mailbox, raw, row, later))
        except Unreachable as error:
            left = real[len(sent) - played:]
            if error.unsure:
                sent.append(self._settle(left.pop(0), "accepted", "unsure", text=str(error)))
            elif not sent:
                raise
            status = "delayed" if later else "failed"
            sent += [self._settle(row, status, status, "server", text=str(error)) for row in left]
        order = {row["id"]: at for at, row in enumerate(rows)}
        return sorted(sent, key=lambda each: order[each.id])

    def _session(self, mailbox):
        # as superuser: where mail is submitted is the platform's to know
        backend = mailbox.sudo().backend_id
        local, _at, domain = mailbox.email.rpartition("@")
        return Submission(
            Server(backend.smtp_host or backend.mail_host or "", backend.smtp_tls_port),
            f"{local}+api@{domain}", self._password_of(mailbox))

    def _submit_one(self, session, mailbox, raw, row, later):
        sender = f"bounce+{row['from_id']}@{mailbox.domain_id.name}"
        outcome = session.send(sender, row["recipient"], raw)
        if outcome.code // 100 == 2:
            return Sent(row["id"], row["recipient"], "accepted", row["from_id"])
        code = _code_of(outcome)
        status = "suppressed" if code == "suppressed" else (
            "delayed" if later and outcome.code // 100 == 4 else "rejected")
        return self._settle(
            row, status, status, code, code=str(outcome.code), dsn=outcome.dsn, text=outcome.text)

    def _settle(self, row, status, kind, why="", **values):
        """What became of it so far; committed, whatever becomes of the rest."""
        with own_transaction(self) as own:
            own._add_event(row, status, {"kind": kind, **values})
        return Sent(row["id"], row["recipient"], status, row["from_id"], why,
                    values.get("text", ""))

    def _add_event(self, row, status, event, is_answer=True):
        """``status``: from now on; None: as it was.  ``is_answer``: the last one of a server."""
        moment = fields.Datetime.now()
        event = {"at": f"{moment.isoformat()}+00:00"} | {
            name: value for name, value in event.items() if value}
        self.env.cr.execute(
            """UPDATE emboux_mail.message
                  SET status = coalesce(%s, status), changed_at = %s, events = events || %s::jsonb,
                      dsn = coalesce(%s, dsn), answer = coalesce(%s, answer)
                WHERE id = %s AND expires = %s""",
            [status, moment, psycopg2.extras.Json(event), is_answer and event.get("dsn") or None,
             is_answer and event.get("text") or None, row["id"], row["expires"]])

    def _forget_rows(self, rows):
        with own_transaction(self) as own:
            own.env.cr.execute("DELETE FROM emboux_mail.message WHERE id = ANY(%s)",
                               [[row["id"] for row in rows]])

    # -- the sandbox ------------------------------------------------------------------------

    def _play(self, row):
        """What becomes of it stands in the local part: ``bounced+550-5.1.1@``; else all is well."""
        local = row["recipient"].rpartition("@")[0]
        role, _plus, tag = local.partition("+")
        code, _dash, dsn = tag.partition("-")
        status, event = {
            "bounced": ("bounced", {"kind": "bounced", "by": SANDBOX, "code": code or "550",
                                    "dsn": dsn or "5.1.1"}),
            "delayed": ("delayed", {"kind": "delayed", "code": code or "450",
                                    "dsn": dsn or "4.2.0"}),
            "complained": ("complained", {"kind": "complained", "by": SANDBOX}),
            "suppressed": ("suppressed", {"kind": "suppressed", "code": "550", "dsn": "5.1.6"}),
            "failed": ("failed", {"kind": "failed", "code": code or "550", "dsn": dsn or "5.0.0"}),
        }.get(role, ("delivered", {"kind": "delivered", "dsn": "2.0.0"}))
        text = self.env._("Played by the sandbox: nothing has left")
        if status in ("bounced", "complained"):
            self._settle(row, "delivered", "delivered", dsn="2.0.0", text=text)
        done = self._settle(row, status, text=text, **event)
        if role != "suppressed":
            done.status = "accepted"  # as of a real one, of which the rest comes later
        return done

    # -- taken back -------------------------------------------------------------------------

    @api.private
    def _cancel(self):
        """Take back what waits for its time; returns whether it did."""
        self.ensure_one()
        # as superuser: what is kept until then is in nobody's reach
        return self.env["emboux.submission"].sudo()._take_back(self)


def _code_of(outcome):
    if SUPPRESSED in outcome.text:
        return "suppressed"
    if any(words in outcome.text for words in LIMITED):
        return LIMIT
    if outcome.code == 552 or outcome.dsn == "5.3.4":
        return "messageTooLarge"
    if "suspended" in outcome.text or "not verified" in outcome.text:
        return "domainDisabled"
    if "Sender address rejected" in outcome.text:
        return "badFrom"
    return "badAddress" if outcome.dsn.startswith("5.1.") else "server"
