# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Shared by all pages of the customers' portal."""

from werkzeug.exceptions import NotFound

from odoo.http import request

from odoo.addons.emboux_core.models.errors import MAX_LINE_LENGTH
from odoo.addons.portal.controllers.portal import pager as portal_pager

HOME = "/my/email"
PER_PAGE = 20
NOTICE = "emboux_notice"  # in the session: the notice on the next page
#: By which path a model's record is known to be of this platform.
LOCAL = {
    "emboux.domain": "backend_id.kind",
    "emboux.mailbox": "domain_id.backend_id.kind",
    "emboux.alias": "domain_id.backend_id.kind",
}


def own_customer():
    """The current user's customer.  :raises NotFound: there is none."""
    customer = request.env["emboux.customer"]._for_current_user()
    if not customer:
        raise NotFound()
    return customer


def local(model):
    return [(LOCAL[model], "=", "local")]


def find(model, number):
    """The record, as the user's record rules show it.

    :raises NotFound: it is somebody else's, or not there: nobody learns which.
    """
    own_customer()
    found = request.env[model].search([("id", "=", number), *local(model)], limit=1)
    if not found:
        raise NotFound()
    return found


def page(template, title, trail=(), **values):
    """Render a page; ``trail``: (label, address) of the pages above it."""
    response = request.render(
        f"emboux_saas.{template}",
        {
            "page_name": "emboux",
            "title": title,
            "trail": [(request.env._("Email"), HOME), *trail, (title, None)] if trail is not None
            else [(title, None)],
            "customer": request.env["emboux.customer"]._for_current_user(),
            "notice": request.session.pop(NOTICE, None),
            **values,
        },
    )
    response.headers["Cache-Control"] = "no-store"  # the content belongs to one customer
    return response


def search_term(text):
    """The search term; PostgreSQL cannot even compare a null byte."""
    return "".join(char for char in text if char.isprintable()).strip()[:MAX_LINE_LENGTH]


def done(address, notice):
    """Redirect to another page, with a notice on what was done."""
    request.session[NOTICE] = notice
    return request.redirect(address)


def many(model, domain, address, number, **arguments):
    """One page of records and the pager."""
    domain = [*domain, *local(model)]
    pager = portal_pager(
        url=address, total=request.env[model].search_count(domain), page=number, step=PER_PAGE,
        url_args=arguments,
    )
    found = request.env[model].search(domain, limit=PER_PAGE, offset=pager["offset"])
    return {"records": found, "pager": pager}


def of_domain(domain, *further):
    """Breadcrumbs of a page below a domain's."""
    return [(domain.display_name, f"{HOME}/domains/{domain.id}"), *further]


def of_mailbox(mailbox):
    domain = mailbox.domain_id
    return of_domain(
        domain,
        (request.env._("Mailboxes"), f"{HOME}/domains/{domain.id}/mailboxes"),
        (mailbox.display_name, f"{HOME}/mailboxes/{mailbox.id}"),
    )
