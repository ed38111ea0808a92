# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from .form import WHOLE, Form
from .page import HOME, done, find, of_mailbox, page


class RulePortal(http.Controller):
    """Automatic handling of a mailbox' mail: forwarding and replies."""

    @http.route(
        f"{HOME}/mailboxes/<int:number>/forward", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def forward(self, number, **typed):
        mailbox = find("emboux.mailbox", number)
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            forward_to=mailbox.forward_to, forward_keep=mailbox.forward_keep,
        )
        if form.is_good:
            with form.at("forward_to"):
                mailbox.write(
                    {"forward_to": form["forward_to"] or False,
                     "forward_keep": form.ticked("forward_keep")}
                )
        if form.is_good:
            return done(
                f"{HOME}/mailboxes/{mailbox.id}",
                request.env._("Mail is forwarded from now on.") if mailbox.forward_to
                else request.env._("Mail is not forwarded any more."),
            )
        return page(
            "portal_mailbox_forward", request.env._("Forwarding"), of_mailbox(mailbox),
            mailbox=mailbox, form=form,
        )

    @http.route(
        f"{HOME}/mailboxes/<int:number>/away", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def reply(self, number, **typed):
        mailbox = find("emboux.mailbox", number)
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            vacation_on=mailbox.vacation_on, vacation_subject=mailbox.vacation_subject,
            vacation_text=mailbox.vacation_text, vacation_from=mailbox.vacation_from,
            vacation_until=mailbox.vacation_until, vacation_days=str(mailbox.vacation_days),
        )
        if form.sent:
            values = {
                "vacation_on": form.ticked("vacation_on"),
                "vacation_subject": form["vacation_subject"] or False,
                "vacation_text": form["vacation_text"] or False,
                "vacation_from": form.day("vacation_from"),
                "vacation_until": form.day("vacation_until"),
                "vacation_days": form.number("vacation_days"),
            }
            if values["vacation_on"]:
                form.required("vacation_text")
        if form.is_good:
            with form.at(WHOLE):
                mailbox.write(values)
        if form.is_good:
            return done(f"{HOME}/mailboxes/{mailbox.id}", request.env._("Saved."))
        return page(
            "portal_mailbox_away", request.env._("Out of Office"), of_mailbox(mailbox),
            mailbox=mailbox, form=form,
        )
