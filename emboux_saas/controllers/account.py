# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from dateutil.relativedelta import relativedelta

from odoo import fields, http
from odoo.http import request
from odoo.tools import format_date, formatLang

from .form import Form
from .page import HOME, done, own_customer, page


class AccountPortal(http.Controller):
    """A customer's plan, usage and invoices."""

    @http.route(
        f"{HOME}/plan", type="http", auth="user", website=True, methods=["GET", "POST"]
    )
    def show_plan(self, **typed):
        """Request another plan; the operator makes the change."""
        customer = own_customer()
        plans = request.env["emboux.plan"]._offered() - customer.plan_id
        form = Form(
            typed if request.httprequest.method == "POST" else None, plan_id="", words=""
        )
        if form.sent:
            plan = plans.filtered(lambda p: str(p.id) == form["plan_id"])
            if not plan:
                form.refuse("plan_id", request.env._("Please choose a plan."))
        if form.is_good:
            with form.at("words"):
                customer._request_plan(plan, form["words"][:2000])
        if form.is_good:
            return done(
                f"{HOME}/plan",
                request.env._(
                    "We have your request for %s and will write to you. Nothing has changed yet.",
                    plan.name,
                ),
            )
        return page(
            "portal_plan", request.env._("Plan"), plans=plans, form=form,
            requested=customer._requested_plan_name(),
        )

    @http.route(f"{HOME}/usage", type="http", auth="user", website=True, methods=["GET"])
    def show_usage(self, **_arguments):
        customer = own_customer()
        return page(
            "portal_usage", request.env._("Usage and Invoices"), bars=customer._quota_bars(),
            months=self._months(),
        )

    def _months(self):
        """The last year's usage, all domains together; record rules restrict it to the customer."""
        since = fields.Date.today().replace(day=1) - relativedelta(months=11)
        rows = request.env["emboux.usage.month"]._read_group(
            [("month", ">=", since)], ["month:month"],
            ["mailboxes:sum", "gigabytes:sum", "messages:sum", "transfer_gb:sum"],
            order="month:month desc",
        )
        return [
            {
                "name": format_date(request.env, month, date_format="LLLL y"),
                "mailboxes": formatLang(request.env, mailboxes, digits=1),
                "gigabytes": formatLang(request.env, gigabytes, digits=2),
                "messages": formatLang(request.env, messages, digits=0),
                "transfer": formatLang(request.env, transfer, digits=2),
            }
            for month, mailboxes, gigabytes, messages, transfer in rows
        ]
