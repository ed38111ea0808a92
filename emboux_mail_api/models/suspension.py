"""Who suspended decides who lifts: the operator and the customer each lift their own alone."""

from odoo import api, fields, models
from odoo.exceptions import UserError


class OthersSuspension(UserError):
    """Whoever asks has not suspended it, or it is not to be deleted while it is."""

    http_status = 409


class MailboxSuspension(models.Model):
    """A mailbox is suspended as long as one of its two sides says so.

    ``state`` is what the mail servers go by; it follows from the two.
    """

    _inherit = "emboux.mailbox"
    _followed_fields = frozenset({"suspended_by_operator", "suspended_by_customer"})
    _audited_fields = ("suspended_by_operator", "suspended_by_customer")

    suspended_by_operator = fields.Boolean("Suspended by the Operator", readonly=True, copy=False)
    suspended_by_customer = fields.Boolean("Suspended by Its Owner", readonly=True, copy=False)
    suspended_note = fields.Char(
        "Who Suspended It", compute="_compute_suspended_note",
        help="Who suspended the mailbox and may lift that.",
    )

    @api.depends("state", "suspended_by_operator", "suspended_by_customer")
    def _compute_suspended_note(self):
        for mailbox in self:
            operator, customer = mailbox.suspended_by_operator, mailbox.suspended_by_customer
            if mailbox.state != "suspended":
                note = False
            elif operator and customer:
                note = self.env._(
                    "Suspended by the operator, and by its owner: each lifts his own."
                )
            elif operator:
                note = self.env._(
                    "Suspended by the operator, who alone can lift that: write to him."
                )
            else:
                note = self.env._("Suspended by its owner, who activates it again.")
            mailbox.suspended_note = note

    def _own_suspension(self):
        """The field that stands for whoever asks; sudo() makes no operator of a customer."""
        return f"suspended_by_{'customer' if self.env.user.emboux_partner_id else 'operator'}"

    @api.model_create_multi
    def create(self, vals_list):
        mailboxes = super().create(vals_list)
        # as superuser: whose doing it is follows from who asks
        mailboxes.sudo().filtered(lambda m: m.state == "suspended").write(
            {self._own_suspension(): True}
        )
        return mailboxes

    def write(self, vals):
        state, own = vals.get("state"), self._own_suspension()
        if state not in ("active", "suspended"):
            return super().write(vals)
        theirs = ({"suspended_by_customer", "suspended_by_operator"} - {own}).pop()
        mailboxes = self.sudo()  # as superuser: see create
        stays = mailboxes.filtered(lambda m: m.state == "suspended" and m[theirs])
        if state == "suspended":
            stays = stays.browse()
        elif refused := stays.filtered(lambda m: not m[own])[:1]:
            raise OthersSuspension(refused._why_not_lifted())
        stays = self.browse(stays.ids)  # lifted on this side alone
        done = super(MailboxSuspension, self - stays).write(vals)
        if stays and len(vals) > 1:
            super(MailboxSuspension, stays).write({n: v for n, v in vals.items() if n != "state"})
        mailboxes.filtered(lambda m: m[own] != (state == "suspended")).write(
            {own: state == "suspended"}
        )
        return done

    def _why_not_lifted(self):
        if self.suspended_by_operator:
            return self.env._(
                "%s was suspended by the operator, who alone can lift that. Write to him, once the "
                "cause is removed.",
                self.display_name,
            )
        return self.env._(
            "%s was suspended by its owner, who alone can lift that: ask him.", self.display_name
        )

    def action_activate(self):
        done = super().action_activate()
        left = self.filtered(lambda m: m.state == "suspended")[:1]
        if not left:
            return done
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning",
                "message": f"{left.display_name}: {left.suspended_note}",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.ondelete(at_uninstall=False)
    def _unlink_except_suspended_by_operator(self):
        """Else a customer lifted the suspension by making the mailbox anew."""
        if not self.env.user.emboux_partner_id:
            return
        # as superuser: see create
        if held := self.sudo().filtered(
            lambda m: m.state == "suspended" and m.suspended_by_operator
        )[:1]:
            raise OthersSuspension(
                self.env._(
                    "%s was suspended by the operator, so it cannot be deleted until he has lifted "
                    "that. Write to him.",
                    held.display_name,
                )
            )


class DomainStopped(models.Model):
    """A domain that the operator has stopped stays, so that nobody begins anew with its name."""

    _inherit = "emboux.domain"

    def write(self, vals):
        if vals.get("active") is False:
            self.filtered("active")._assert_not_stopped()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_stopped(self):
        self._assert_not_stopped()

    @api.private
    def _delete_contents(self):
        self._assert_not_stopped()
        return super()._delete_contents()

    def _assert_not_stopped(self):
        """
        :raises OthersSuspension: one of them is blocked or suspended; the sentence says which.
        """
        if self.env.su and self.env.context.get("emboux_erase"):
            return  # the job that erases what an ended customer had; its block is kept by the name
        # as superuser: that it is stopped is no secret to who may delete it
        for domain in self.sudo().filtered(lambda d: d.backend_id.kind == "local"):
            if domain.outbound_status == "blocked":
                raise OthersSuspension(
                    self.env._(
                        "Sending of %(domain)s is blocked (%(reason)s), so it can be neither "
                        "deleted nor archived. The operator has to let it send again first.",
                        domain=domain.display_name, reason=domain.outbound_reason or "-",
                    )
                )
            if domain.state == "suspended":
                raise OthersSuspension(
                    self.env._(
                        "%s is suspended, so it can be neither deleted nor archived. The operator "
                        "has to activate it first.",
                        domain.display_name,
                    )
                )
