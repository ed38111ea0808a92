from datetime import timedelta
from functools import partial

from markupsafe import Markup, escape

from odoo import api, fields, models
from odoo.tools import formatLang

from odoo.addons.emboux_core.models.mailbox import MEGABYTE

ACTIVITY = "emboux_saas.activity_plan_request"
_MOST_TOLD = 3  # administrators who get an activity


class Customer(models.Model):
    """What a customer does for himself in the portal."""

    _name = "emboux.customer"
    _inherit = ["emboux.customer", "mail.activity.mixin"]

    @api.model
    @api.private
    def _own(self):
        """The row of the customer whom the user looks after, perhaps none."""
        return self._of(self.env.user.emboux_partner_id)

    # -- how much is used ------------------------------------------------------------------

    @api.private
    def _quota_bars(self):
        """What is limited and how much of it is used, as the portal shows it: three queries."""
        self.ensure_one()
        # as superuser: a mailbox that the operator archived counts too
        [(boxes, allotted, used)] = self.env["emboux.mailbox"].sudo().with_context(
            active_test=False
        )._read_group(
            [("domain_id.partner_id", "=", self.partner_id.id)], [],
            ["__count", "quota_mb:sum", "usage_bytes:sum"],
        )
        storage, size = self.storage_limit_mb, partial(say_mb, self.env)
        return [
            self._bar(self.env._("Domains"), self.domains_used, self.domain_limit, str),
            self._bar(self.env._("Mailboxes"), boxes, 0, str),
            self._bar(self.env._("Storage given to mailboxes"), allotted or 0, storage, size),
            self._bar(self.env._("Storage used"), (used or 0) / MEGABYTE, storage, size),
        ]

    def _bar(self, label, used, limit, say):
        percent = min(100, round(100 * used / limit)) if limit else None
        text = (
            self.env._("%(used)s of %(limit)s", used=say(used), limit=say(limit))
            if limit else say(used)
        )
        return {
            "label": label, "percent": percent, "text": text,
            "colour": "danger" if (percent or 0) >= 95 else
            "warning" if (percent or 0) >= 80 else "primary",
        }

    # -- another plan ----------------------------------------------------------------------

    @api.private
    def _request_plan(self, plan, words):
        """Have the operator see to it that the customer gets another plan.

        Asking again replaces what was asked before.
        """
        self.ensure_one()
        author = self.env.user.partner_id
        # as superuser: what the operator has to do is not the customer's to see; out of the
        # queue: he does not wait for our mail to the operator
        customer = self.sudo().with_context(mail_notify_force_send=False)
        self.env.ref("mail.ir_cron_mail_scheduler_action")._trigger()
        customer.activity_unlink([ACTIVITY])
        note = Markup("<p>%s</p>") % Markup("<br/>").join(escape(words).splitlines())
        summary = self.env._("%(customer)s asks for the plan %(plan)s",
                             customer=self.partner_id.display_name, plan=plan.name)
        customer.message_post(
            body=Markup("<p>%s</p>%s") % (summary, note), author_id=author.id,
            subtype_xmlid="mail.mt_note",
        )
        for user in customer._who_looks_after():
            customer.activity_schedule(
                ACTIVITY, summary=summary, note=note, user_id=user.id,
                date_deadline=fields.Date.context_today(self) + timedelta(days=1),
            )

    @api.private
    def _requested_plan_words(self):
        """What was asked for and not seen to yet, or False."""
        # as superuser: the operator's activities are not the customer's to read
        return self.sudo().activity_search([ACTIVITY])[:1].summary

    def _who_sees_to(self):
        return self._who_looks_after()

    def _who_looks_after(self):
        """The partner's salesperson, else administrators of the company."""
        company = self.plan_id.company_id or self.env.company
        seller = self.partner_id.user_id.filtered(lambda u: u.active and not u.share)
        admins = self.env.ref("emboux_core.group_admin").all_user_ids.filtered(
            lambda u: u.active and not u.share and company in u.company_ids
        )
        return seller or admins[:_MOST_TOLD]


def say_mb(env, megabytes):
    """A size that people read, in their language: 512 MB, 1.5 GB."""
    if megabytes < 1024:
        return f"{megabytes:.0f} MB"
    return f"{formatLang(env, megabytes / 1024, digits=1)} GB"
