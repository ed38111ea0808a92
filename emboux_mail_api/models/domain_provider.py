from markupsafe import Markup

from odoo import api, fields, models

from ..providers.dkim import Finding


class DomainProvider(models.Model):
    """By whom a domain's mail leaves, and what that provider says of the domain."""

    _inherit = "emboux.domain"
    _audited_fields = ("provider_id",)

    provider_id = fields.Many2one(
        "emboux.provider", "Sends By", index="btree_not_null", ondelete="restrict",
        check_company=True, copy=False, tracking=True,
        help="Who carries and signs the outgoing mail of this domain.",
    )
    provider_kind = fields.Selection(related="provider_id.kind", string="Kind of Provider")
    registration_ids = fields.One2many(
        "emboux.registration", "domain_id", groups="emboux_core.group_manager"
    )
    # as superuser: who sees the domain may see how it stands at its provider
    registration_id = fields.Many2one(
        "emboux.registration", compute="_compute_registration", compute_sudo=True,
        groups="emboux_core.group_manager",
    )
    registration_state = fields.Selection(
        [("pending", "On Its Way"), ("done", "Done"), ("refused", "Refused")],
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
        "Sending", compute="_compute_sending_note", compute_sudo=True,
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
        "provider_id.smtp_password", "registration_ids.credential_at", "registration_ids.state"
    )
    def _compute_sending_note(self):
        for domain in self:
            provider, row = domain.provider_id, domain.registration_id
            note = False
            if provider.kind in ("mailgun", "ses") and row.state != "done":
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

    @api.model_create_multi
    def create(self, vals_list):
        domains = super().create(vals_list)
        # as superuser: by whom mail leaves is the operator's to say
        local = domains.sudo().filtered(lambda d: d.backend_id.kind == "local")
        given = local.filtered("provider_id")
        for domain in local:
            if domain.parent_id:
                domain.provider_id = domain.parent_id.provider_id
            elif not domain.provider_id:
                domain.provider_id = domain._default_provider()
        given._register_at_provider()  # the others by the writing of their provider
        return domains

    def write(self, vals):
        done = super().write(vals)
        if "provider_id" in vals:
            # as superuser: subdomains may be other customers'
            children = self.sudo().child_ids
            for provider, theirs in children.grouped(lambda d: d.parent_id.provider_id).items():
                theirs.filtered(lambda d, p=provider: d.provider_id != p).provider_id = provider
            self._provision()
        if {"provider_id", "parent_id"} & set(vals):
            self.sudo().filtered(lambda d: d.parent_id and d.provider_id
                                 != d.parent_id.provider_id)._take_provider_of_parent()
            self._register_at_provider()
        return done

    def unlink(self):
        # as superuser: registrations are nobody's to write
        rows = self.sudo().registration_ids
        done = super().unlink()
        rows._wish_absent()
        return done

    def _take_provider_of_parent(self):
        for domain in self:
            domain.provider_id = domain.parent_id.provider_id

    def _default_provider(self):
        """The first that the operator has put on the list."""
        return self.env["emboux.provider"].search(
            [("company_id", "in", (False, self.company_id.id))], limit=1
        )

    def _register_at_provider(self):
        """Have the provider have these domains, once this is committed."""
        # as superuser: registrations are nobody's to write
        domains = self.sudo().filtered(lambda d: d.backend_id.kind == "local")
        self.env["emboux.registration"].sudo()._wish_present(domains)

    def _hosted(self, name):
        return self.with_context(active_test=False).search(
            [("name", "=", name), ("backend_id.kind", "=", "local")], limit=1
        )

    # -- verification --------------------------------------------------------------------

    def _proof(self):
        """With a provider, it is the provider who says whether the domain may send."""
        row = self.sudo().registration_id
        if self.backend_id.kind != "local" or self.provider_id.kind in (False, "dkim"):
            return super()._proof()
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
        state, reason = super()._proof()
        return Finding(state or "pending", reason)

    def action_check_now(self):
        self.ensure_one()
        self.check_access("write")
        # as superuser: registrations are nobody's to write
        row = self.sudo().registration_id
        if row.state == "done":
            [answer] = row._ask().values()
            row._note_poll(answer)
        return super().action_check_now()

    def _tell_refused_by_provider(self, sentence):
        self.ensure_one()
        user = self.user_id
        domain = self.with_context(lang=user.lang or self.env.lang)
        title = self.env._("%s could not be registered with its provider", self.display_name)
        domain.message_post(
            body=Markup("<p>%s</p><p>%s</p>") % (title, sentence),
            partner_ids=user.partner_id.ids,
            subtype_xmlid="mail.mt_note",
        )

    # -- sending -------------------------------------------------------------------------

    def action_activate_sending(self):
        """Make the SMTP login of the domain at its provider where it is missing."""
        self.ensure_one()
        self.check_access("write")
        # saved apart, and the provider told by its commit: he must not hear of what may still be
        # rolled back; as superuser: registrations are nobody's to write
        rows = self.env["emboux.registration"].sudo()
        row = rows.browse(rows._apart("_want_sending_of", self.id))
        left, error = row._apart("_what_is_left")
        self.env.invalidate_all()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if left else "success",
                "message": (left and error) or self.env._(
                    "Mail of %s can leave.", self.display_name),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.private
    def _want_sending(self):
        """Have the domain have its SMTP login; the registration that is to be told, or none."""
        self.ensure_one()
        self.check_access("write")
        # as superuser: registrations are nobody's to write
        row = self.sudo().registration_id
        if self.provider_kind != "mailgun" or row.credential_at:
            return row.browse()
        if not row:
            self._register_at_provider()
            row = self.sudo().registration_id
        row._want_credential()
        row._wish("present")
        row._tell_after_commit()
        return row
