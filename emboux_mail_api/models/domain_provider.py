# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from contextlib import suppress
from datetime import timedelta

from odoo import api, fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from odoo.addons.emboux_core.models.notification import notification
from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.transactions import in_own_transaction, own_transaction

from ..providers.dkim import Finding

MAX_AGE = timedelta(minutes=1)  # what is known for less is not asked again for a GET
WAIT_SECONDS = 5.0  # seconds that the DNS is waited for then


class DomainProvider(models.Model):
    """The provider of a domain's outgoing mail, and the domain's status there."""

    _inherit = "emboux.domain"
    _audited_fields = ("provider_id",)
    _change_hooks = {"provider_id": "_on_provider_changed"}

    provider_id = fields.Many2one(
        "emboux.provider", "Sends By", index="btree_not_null", ondelete="restrict",
        check_company=True, copy=False, tracking=True,
        help="Who carries and signs the outgoing mail of this domain.",
    )
    provider_kind = fields.Selection(related="provider_id.kind", string="Kind of Provider")
    registration_ids = fields.One2many(
        "emboux.registration", "domain_id", "Registrations", groups="emboux_core.group_manager"
    )
    # as superuser: who sees the domain may see how it stands at its provider
    registration_id = fields.Many2one(
        "emboux.registration", compute="_compute_registration", compute_sudo=True,
        groups="emboux_core.group_manager",
    )
    registration_state = fields.Selection(
        [("pending", "Pending"), ("done", "Done"), ("refused", "Refused")],
        compute="_compute_registration", compute_sudo=True, groups="emboux_core.group_manager",
    )
    registration_error = fields.Char(
        compute="_compute_registration", compute_sudo=True, groups="emboux_core.group_manager"
    )
    registration_reason = fields.Char(
        "Provider Says", compute="_compute_registration", compute_sudo=True,
        groups="emboux_core.group_manager",
    )
    sending_note = fields.Char(
        "Missing for Sending", compute="_compute_sending_note", compute_sudo=True,
        help="What is missing at the provider before mail can leave; empty when nothing is.",
    )

    @api.depends(
        "provider_id", "registration_ids.provider_id", "registration_ids.state",
        "registration_ids.error", "registration_ids.reason",
    )
    def _compute_registration(self):
        for domain in self:
            row = domain.registration_ids.filtered(
                lambda r, d=domain: r.provider_id == d.provider_id
            )[:1]
            domain.registration_id = row
            domain.registration_state = row.state
            domain.registration_error = row.error
            domain.registration_reason = row.reason

    @api.depends(
        "provider_id.smtp_password", "registration_ids.credential_at", "registration_ids.state",
        "registration_ids.verdict",
    )
    def _compute_sending_note(self):
        for domain in self:
            provider, row = domain.provider_id, domain.registration_id
            note = False
            if provider.kind in ("mailgun", "ses") and not (row and row._is_registered()):
                note = self.env._("%s does not have the domain yet.", provider.name)
            elif provider.kind == "ses" and not provider.smtp_password:
                note = self.env._(
                    "%s has no SMTP login yet: an administrator enters it there.", provider.name
                )
            elif provider.kind == "mailgun" and not row.credential_at:
                note = self.env._(
                    "The domain has no SMTP login at %s yet: activate its sending.", provider.name
                )
            domain.sending_note = note

    def _on_created(self, given):
        super()._on_created(given)
        # as superuser: by whom mail leaves is the operator's to say
        local = self.sudo().filtered(lambda d: d.backend_id.kind == "local")
        chosen = local.filtered("provider_id")
        for domain in local:
            if domain.parent_id:
                domain.provider_id = domain.parent_id.provider_id
            elif not domain.provider_id:
                domain.provider_id = domain._default_provider()
        chosen._register_at_provider()  # the others by the writing of their provider

    def _on_provider_changed(self, before, vals):
        """Their mail leaves by another provider, or by none."""
        # as superuser: subdomains may be other customers'
        children = self.sudo().child_ids
        for provider, theirs in children.grouped(lambda d: d.parent_id.provider_id).items():
            theirs.filtered(lambda d, p=provider: d.provider_id != p).provider_id = provider
        self._provision()
        self._take_provider_of_parent()
        self._register_at_provider()

    def _on_parent_changed(self, before, vals):
        super()._on_parent_changed(before, vals)
        self._take_provider_of_parent()
        self._register_at_provider()

    def _on_ownership_changed(self, before, vals):
        super()._on_ownership_changed(before, vals)
        if vals["owned_since"]:
            # a name is registered once: now it is the owner's
            # as superuser: registrations are not for users to read
            self.sudo().filtered(lambda d: not d.registration_ids)._register_at_provider()

    def _before_deleted(self):
        # as superuser: registrations are not for users to write
        rows = self.sudo().registration_ids
        return [*super()._before_deleted(), lambda: self._let_go_at_provider(rows)]

    @api.model
    def _let_go_at_provider(self, rows):
        for row in rows:
            # somebody else may claim the name too: then it stays where it is, as theirs
            heir = self.env["emboux.domain"].sudo()._hosted(row.name)
            if heir.provider_id == row.provider_id:
                heir._register_at_provider()
            else:
                row._request_absent()

    def _take_provider_of_parent(self):
        # as superuser: the parent may be another one's
        for domain in self.sudo():
            if domain.parent_id and domain.provider_id != domain.parent_id.provider_id:
                domain.provider_id = domain.parent_id.provider_id

    def _default_provider(self):
        """The first that the operator has put on the list."""
        return self.env["emboux.provider"].search(
            [("company_id", "in", (False, self.company_id.id))], limit=1
        )

    def _register_at_provider(self):
        """Register these domains at the provider, once this is committed."""
        # as superuser: registrations are not for users to write.  A name is registered once: of
        # several who claim it by the first, until one of them proves it
        domains = self.sudo().filtered(
            lambda d: d.backend_id.kind == "local" and d._hosted(d.name) == d
        )
        self.env["emboux.registration"].sudo()._request_present(domains)

    def _hosted(self, name):
        """The domain of this name: its owner's, else the first that somebody claims; or none."""
        return self.with_context(active_test=False).search(
            [("name", "=", name), ("backend_id.kind", "=", "local")],
            order="owned_since, id", limit=1,  # a proven one is before those that are not
        )

    # -- verification --------------------------------------------------------------------

    def _verification_status(self):
        """With a provider, it is the provider who says whether the domain may send."""
        row = self.sudo().registration_id
        if self.backend_id.kind != "local" or self.provider_id.kind in (False, "dkim"):
            return super()._verification_status()
        if row.state == "refused":
            return "failed", row.error
        if row.state != "done" or not row.verdict:
            return None, ""
        if row.verdict == "verified" and not self.owned_since:
            return "pending", self.env._(
                "%s has verified the domain; the record that proves it to be yours is missing.",
                self.provider_id.name,
            )
        return row.verdict, row.reason

    def _finding(self, look=False):
        """What the domain's DNS says for its own keys, as a value object."""
        if look:
            self._store_check(self._look_up(10.0)[self.id])
        state, reason = super()._verification_status()
        return Finding(state or "pending", reason)

    def action_check_now(self):
        self.ensure_one()
        self.check_access("write")
        # as superuser: registrations are not for users to write
        row = self.sudo().registration_id
        if row.state == "done":
            [answer] = row._ask().values()
            row._store_poll(answer)
        elif row.state == "refused":
            row._request_again()  # what it refused for may be in order now
        elif row:
            row._schedule_now()
        return super().action_check_now()

    @api.private
    def _refresh_status(self):
        """Ask DNS and provider once more, where what is known is older than a minute; this
        knowledge, and what follows from it, is all that changes.

        The provider is asked what it says of its own accord.  In a transaction of its own, while
        nothing is locked; the caller's has to begin anew to see it.  Returns whether it asked.
        """
        self.ensure_one()
        # as superuser: what is found is not for users to write
        domain = self.sudo()
        old = fields.Datetime.now() - MAX_AGE
        looked, said = None, {}
        if domain.dns_record_ids and (not domain.last_check or domain.last_check < old):
            looked = domain._look_up(WAIT_SECONDS)[domain.id]
        row = domain.registration_id
        if row.state == "done" and not row._asked_since(old):
            said = row.with_context(emboux_haste=True)._ask(only_status=True)
        if not looked and not said:
            return False
        # somebody else may just have looked
        with suppress(*PG_CONCURRENCY_EXCEPTIONS_TO_RETRY), own_transaction(domain) as own:
            # foreign keys to the domain stay possible, such as those of its sending history
            if own.exists() and own.try_lock_for_update(allow_referencing=True):
                for number, answer in said.items():
                    row.with_env(own.env).browse(number)._store_status(answer)
                if looked:
                    own._store_check(looked)
        return True

    def _notify_refused_by_provider(self, sentence):
        self._post_notice(
            lambda domain: Notice(
                domain.env._(
                    "%s could not be registered with its provider", domain.display_name
                ),
                sentence,
                remedy=domain.env._("Once it is in order there, use Check Now."),
            ),
            self.user_id.partner_id,
        )

    # -- sending -------------------------------------------------------------------------

    def action_activate_sending(self):
        """Make the SMTP login of the domain at its provider where it is missing."""
        self.ensure_one()
        self.check_access("write")
        self.env.flush_all()
        # saved first: the provider must not hear of what may still be rolled back
        # as superuser: registrations are not for users to write
        rows = self.env["emboux.registration"].sudo()
        rows.browse(in_own_transaction(rows, "_request_sending_for", self.id) or ())._run_now()
        # a fresh look: what the provider said was noted in a transaction of its own
        left = in_own_transaction(rows, "_sending_problem_of", self.id)
        self.env.invalidate_all()
        return notification(
            "warning" if left else "success",
            left or self.env._("%s can send.", self.display_name),
        )

    @api.private
    def _request_sending(self, tell=True):
        """Have the domain, and its SMTP login, be at its provider, whatever that said before.

        Returns the registration that is to be told, or none where this server sends by itself.
        ``tell``: as of ``_request_again``.
        """
        self.ensure_one()
        self.check_access("write")
        # as superuser: registrations are not for users to write
        row = self.sudo().registration_id
        if self.provider_kind not in ("mailgun", "ses"):
            return row.browse()
        if not row:
            self._register_at_provider()
            row = self.sudo().registration_id
        if self.provider_kind == "mailgun":
            row._ensure_password()
        row._request_again(tell)
        return row

    def _sending_problem(self):
        """Why the domain cannot send, as a sentence; empty if it can."""
        self.ensure_one()
        # as superuser: registrations are not for users to read who merely has a domain
        row = self.sudo().registration_id
        if row and row.state != "done":
            return row.error or self.env._("%s has not answered yet.", row.provider_id.name)
        if row.verdict == "failed":
            return row.reason
        if self.sending_note:
            return self.sending_note
        if self.outbound_status == "blocked":
            return self.env._("The operator has stopped its sending. %s",
                              self.outbound_reason or "")
        stopped = self._postfix_refusal()
        # without its code
        return stopped.split(" ", 2)[2] if stopped else ""

    def _postfix_refusal(self, login=None):
        """What Postfix answers to each message of the domain, or of this login, as it stands:
        code, enhanced code and sentence; empty where it asks the policy."""
        self.ensure_one()
        self.env.flush_all()
        where = ("outbound WHERE login", login) if login else ("stopped WHERE domain_id", self.id)
        self.env.cr.execute(
            SQL("SELECT action FROM emboux_mail.%s = %s", SQL(where[0]), where[1])
        )
        row = self.env.cr.fetchone()
        return row[0] if row else ""

    def _state_message(self, good):
        if good and self.backend_id.kind == "local" and self.sending_note:
            return self.env._(
                "%(name)s is verified and receives, but cannot send yet: %(why)s",
                name=self.display_name, why=self.sending_note,
            )
        return super()._state_message(good)
