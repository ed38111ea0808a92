# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from odoo.addons.emboux_core import passwords
from odoo.addons.emboux_mail_api.models.customer import AbovePlan, QuotaReached

from .form import WHOLE, Form
from .page import HOME, done, find, many, of_domain, of_mailbox, page, search_term
from .status_texts import size_text

#: Which limits of the plan are shown at which field.
LIMITS = {AbovePlan: "quota_mb", QuotaReached: WHOLE}


def values_of(form):
    """A mailbox' values from the form."""
    form.one_line("name")
    return {
        "name": form["name"],
        "quota_mb": form.number("quota_mb"),
        "catch_all": form.ticked("catch_all"),
    }


def what_changed(mailbox, values):
    """Only changed values: a limit lowered since then refuses new values only."""
    return {
        name: value
        for name, value in values.items()
        if (value or False) != (mailbox[name] or False)
    }


class MailboxPortal(http.Controller):
    @http.route(
        [f"{HOME}/domains/<int:number>/mailboxes",
         f"{HOME}/domains/<int:number>/mailboxes/page/<int:at>"],
        type="http", auth="user", website=True, methods=["GET"],
    )
    def list_mailboxes(self, number, at=1, q="", **_arguments):
        domain = find("emboux.domain", number)
        wanted = [("domain_id", "=", domain.id)]
        if q := search_term(q):
            wanted += ["|", ("email", "ilike", q), ("name", "ilike", q)]
        return page(
            "portal_mailboxes", request.env._("Mailboxes"), of_domain(domain), domain=domain,
            tab="mailboxes", q=q, sizes=size_text,
            **many("emboux.mailbox", wanted, f"{HOME}/domains/{domain.id}/mailboxes", at,
                   **({"q": q} if q else {})),
        )

    @http.route(
        f"{HOME}/domains/<int:number>/mailboxes/new", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def add_mailbox(self, number, **typed):
        domain = find("emboux.domain", number)
        mailboxes = request.env["emboux.mailbox"]
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            local_part="", name="", password=passwords.generate(),
            quota_mb=str(mailboxes._usual_quota()), catch_all=False,
        )
        if form.sent:
            form.required("local_part")
            with form.at("local_part"):
                local_part = mailboxes._normalise_local_part(form["local_part"])
            password = form.password("password", form["local_part"])
            values = values_of(form)
        if form.is_good:
            with form.at("local_part", LIMITS):
                mailbox = mailboxes.create(
                    {"domain_id": domain.id, "local_part": local_part, "password": password,
                     **values}
                )
        if form.is_good:
            return done(
                f"{HOME}/mailboxes/{mailbox.id}",
                request.env._("%s is ready to use.", mailbox.display_name),
            )
        return page(
            "portal_mailbox_new", request.env._("New Mailbox"),
            of_domain(domain, (request.env._("Mailboxes"),
                               f"{HOME}/domains/{domain.id}/mailboxes")),
            domain=domain, form=form,
        )

    @http.route(
        f"{HOME}/mailboxes/<int:number>", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def show_mailbox(self, number, **typed):
        mailbox = find("emboux.mailbox", number)
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            name=mailbox.name, quota_mb=str(mailbox.quota_mb), catch_all=mailbox.catch_all,
        )
        if form.sent:
            values = values_of(form)
        if form.is_good:
            with form.at(WHOLE, LIMITS):
                mailbox.write(what_changed(mailbox, values))
        if form.is_good:
            return done(f"{HOME}/mailboxes/{mailbox.id}", request.env._("Saved."))
        return page(
            "portal_mailbox", mailbox.display_name, of_mailbox(mailbox)[:-1], mailbox=mailbox,
            form=form, sizes=size_text,
        )

    @http.route(
        f"{HOME}/mailboxes/<int:number>/password", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def set_password(self, number, **typed):
        mailbox = find("emboux.mailbox", number)
        form = Form(
            typed if request.httprequest.method == "POST" else None,
            password=passwords.generate(),
        )
        if form.sent:
            password = form.password("password", mailbox.email)
        if form.is_good:
            with form.at("password"):
                mailbox._set_password(password)
        if form.is_good:
            return done(
                f"{HOME}/mailboxes/{mailbox.id}",
                request.env._("The new password is valid from now on. Enter it in all programs "
                              "that use the mailbox."),
            )
        return page(
            "portal_mailbox_password", request.env._("New Password"), of_mailbox(mailbox),
            mailbox=mailbox, form=form,
        )

    @http.route(
        f"{HOME}/mailboxes/<int:number>/suspend", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def suspend_mailbox(self, number, **typed):
        mailbox = find("emboux.mailbox", number)
        form = Form(typed if request.httprequest.method == "POST" else None)
        if form.is_good:
            with form.at(WHOLE):
                mailbox.action_suspend()
        if form.is_good:
            return done(
                f"{HOME}/mailboxes/{mailbox.id}",
                request.env._("%s is suspended.", mailbox.display_name),
            )
        return page(
            "portal_mailbox_suspend", request.env._("Suspend"), of_mailbox(mailbox),
            mailbox=mailbox, form=form,
        )

    @http.route(
        f"{HOME}/mailboxes/<int:number>/activate", type="http", auth="user", website=True,
        methods=["POST"],
    )
    def activate_mailbox(self, number, **_typed):
        mailbox = find("emboux.mailbox", number)
        form = Form({})
        with form.at(WHOLE):
            mailbox.action_activate()
        return done(
            f"{HOME}/mailboxes/{mailbox.id}",
            form.errors.get(WHOLE) or mailbox.suspended_note
            or request.env._("%s is active again.", mailbox.display_name),
        )

    @http.route(
        f"{HOME}/mailboxes/<int:number>/delete", type="http", auth="user", website=True,
        methods=["GET", "POST"],
    )
    def delete_mailbox(self, number, **typed):
        mailbox = find("emboux.mailbox", number)
        form = Form(typed if request.httprequest.method == "POST" else None)
        if form.is_good:
            name, domain = mailbox.display_name, mailbox.domain_id.id
            with form.at(WHOLE):
                mailbox._delete_with_mail()
            if form.is_good:
                return done(
                    f"{HOME}/domains/{domain}/mailboxes", request.env._("%s was deleted.", name)
                )
        return page(
            "portal_mailbox_delete", request.env._("Delete"), of_mailbox(mailbox),
            mailbox=mailbox, form=form,
        )
