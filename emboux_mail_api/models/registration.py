# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import timedelta
from functools import partial

from odoo import api, fields, models
from odoo.orm.models import NO_ACCESS

from odoo.addons.emboux_core.dns.expected import ExpectedRecord
from odoo.addons.emboux_core.models.notification import notification
from odoo.addons.emboux_core.transactions import in_own_transaction

from ..providers.base import Registration as Answer
from ..providers.mailgun import new_password

MAX_IMMEDIATE = 5  # calls after a commit while somebody waits; the cron makes the others
DATA = "emboux_mail_api.registrations"  # of this transaction, in the data of its hooks


class Registration(models.Model):
    """A domain at a provider: the desired and the actual state.

    The wish is committed with the domain's change, and the provider is told after the commit, at
    once and by a cron until it has understood.  A deleted domain's row stays until the provider
    has let it go.
    """

    _name = "emboux.registration"
    _description = "Domain at a Provider"
    _inherit = "emboux.outbox.mixin"
    _order = "id desc"
    _rec_name = "name"

    name = fields.Char("Domain Name", required=True, readonly=True)
    provider_id = fields.Many2one(
        "emboux.provider", required=True, readonly=True, index=True, ondelete="restrict"
    )
    domain_id = fields.Many2one(
        "emboux.domain", readonly=True, index="btree_not_null", ondelete="set null"
    )
    company_id = fields.Many2one("res.company", index=True, readonly=True, ondelete="cascade")
    parent_name = fields.Char("By Parent", readonly=True)
    wish = fields.Selection(
        [("present", "Registered"), ("absent", "Removed")], required=True, readonly=True
    )
    state = fields.Selection(
        [("pending", "Pending"), ("done", "Done"), ("refused", "Refused")],
        required=True, readonly=True, default="pending", index=True,
    )

    verdict = fields.Selection(
        [("pending", "Not Verified Yet"), ("verified", "Verified"), ("failed", "Failed")],
        "Provider Says", readonly=True,
    )
    reason = fields.Char(readonly=True)
    answered_at = fields.Datetime("Last Answer", readonly=True)
    next_poll = fields.Datetime("Next Check", readonly=True, index=True)
    records = fields.Json(readonly=True, help="What the domain's DNS must have for the provider.")
    spf = fields.Json(readonly=True)

    login = fields.Char("SMTP Login", readonly=True)
    password = fields.Char(groups=NO_ACCESS)
    credential_at = fields.Datetime(
        "SMTP Login Since", readonly=True, help="From then on the domain's mail is sent with it."
    )

    _one_of_provider = models.UniqueIndex("(provider_id, name)")

    # -- wishes --------------------------------------------------------------------------

    @api.model
    def _request_present(self, domains):
        """Request each domain at its provider, and its removal elsewhere."""
        known = self.search([("name", "in", domains.mapped("name"))])
        requested = self.browse()
        for domain in domains:
            provider = domain.provider_id
            mine = known.filtered(lambda r, d=domain: r.name == d.name)
            row = mine.filtered(lambda r, p=provider: r.provider_id == p)
            (mine.filtered(lambda r, d=domain: r.domain_id == d) - row)._request_absent()
            if provider.kind in (False, "dkim"):
                continue
            values = {
                "domain_id": domain.id,
                "company_id": domain.company_id.id,
                "parent_name": domain.parent_id.name,
            }
            if not row:
                row = self.create({"name": domain.name, "provider_id": provider.id,
                                   "wish": "present", **values})
            if domain.parent_id and provider.kind == "mailgun":
                row._ensure_password()  # a subdomain is to send at once
            row._request("present", **values)
            requested |= row
        requested._call_after_commit()
        return requested

    def _request_absent(self):
        for row in self:
            row._request("absent")
        self._call_after_commit()

    def _request(self, wish, **values):
        anew = {"verdict": False, "reason": False, "records": False, "spf": False}
        self.write(
            {**(anew if wish != self.wish else {}), **values, **self._renewed(), "wish": wish}
        )

    def _is_registered(self):
        """Whether the provider has the domain, as far as it said; asking it again changes nothing.

        The view ``emboux_mail.carried`` says the same.
        """
        self.ensure_one()
        return self.state == "done" or (
            self.state == "pending" and self.verdict in ("pending", "verified")
        )

    def _request_again(self, tell=True):
        """Send the request again, whatever the last answer was: the obstacle may be gone.

        The calls are idempotent.  ``tell``: on the commit of this transaction; else the caller
        sends it afterwards.
        """
        for row in self:
            row._request(row.wish)
        if tell:
            self._call_after_commit()

    def _ensure_password(self):
        """Generate a password, stored before it is sent to the provider."""
        if not self.password:
            self.password = new_password()

    def _schedule_now(self):
        self.write({"next_try": fields.Datetime.now()})
        self._call_after_commit()

    def _call_after_commit(self):
        if not self:
            return
        # as superuser: the cron is not for users to read
        self.sudo().env.ref("emboux_mail_api.ir_cron_registrations")._trigger()
        hooks = self.env.cr.postcommit
        if DATA not in hooks.data:
            hooks.data[DATA] = set()
            hooks.add(partial(self._run_after_commit, hooks.data[DATA]))
        hooks.data[DATA].update(self.ids)

    def _is_called_after_commit(self):
        """Whether the commit of this transaction tells the provider of this row."""
        return self.id in self.env.cr.postcommit.data.get(DATA, ())

    # -- what it means here --------------------------------------------------------------

    def _as_answer(self):
        """What the provider said last, as a value object.

        Without records outside the domain: those of a subdomain may be its parent's.
        """
        self.ensure_one()
        records = [ExpectedRecord(**record) for record in self.records or ()]
        within = [r for r in records if f".{r.name}".endswith(f".{self.name}")]
        return Answer(
            self.name, self.verdict or "pending", self.reason or "", tuple(within),
            tuple(self.spf or ()),
        )

    def _next_poll(self, now):
        """Amazon looks by itself: every two hours.  Mailgun when asked: often at first."""
        if self.verdict == "verified":
            return now + timedelta(days=1)
        if self.provider_id.kind == "ses":
            return now + timedelta(hours=2)
        age = now - (self.create_date or now)
        return now + min(max(age / 10, timedelta(minutes=5)), timedelta(days=1))

    def _store_answer(self, answer):
        """Store the provider's answer, and update the domain accordingly."""
        now = fields.Datetime.now()
        self.write(
            {
                "verdict": answer.state,
                "reason": answer.reason,
                "records": [vars(record) for record in answer.records],
                "spf": list(answer.spf),
                "answered_at": now,
                "error": False,
            }
        )
        self.next_poll = self._next_poll(now)
        if self.domain_id:
            self.domain_id._provision()  # its DNS says what the provider wants
            self.domain_id._apply_verification()

    def action_try_now(self):
        """Tell the provider now, instead of at the next try."""
        self.check_access("read")
        self.env["emboux.domain"].check_access("write")
        # as superuser: registrations are not for users to write
        rows = self.sudo()
        self.env.flush_all()
        # saved first: the provider must not hear of what may still be rolled back
        in_own_transaction(rows, "_request_again", False)
        rows._run_now()
        # a fresh look: the calls were noted in transactions of their own
        left, error = in_own_transaction(rows, "_pending_result")
        return notification(
            "warning" if left else "success",
            error or (
                self.env._("It waits for earlier changes.") if left
                else self.env._("Done: the provider is up to date.")
            ),
        )

    def _pending_result(self):
        """(whether something is still to be told, what the provider said)"""
        left = self.exists().filtered(lambda r: r.state != "done")[:1]
        return bool(left), left.error

    def _sending_problem_of(self, domain_id):
        return self.env["emboux.domain"].browse(domain_id)._sending_problem()

    def _request_sending_for(self, domain_id):
        """The number of the registration that is told that its domain wants to send, or none."""
        return self.env["emboux.domain"].browse(domain_id)._request_sending(tell=False).id
