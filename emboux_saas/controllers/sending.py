# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import http
from odoo.http import request

from odoo.addons.emboux_core import addresses

from .form import Form, customer_message
from .page import HOME, find, of_domain, own_customer, page
from .status_texts import sending_status

HEIGHT, WIDTH, GAP = 120, 320, 8  # of the drawing, in its own units


def chart_of(history, language_date):
    """Bars for the days, as numbers that the page draws."""
    count = len(history["days"])
    most = max([*history["sent"], history["limit"], 1])
    step = WIDTH / count
    return {
        "width": WIDTH, "height": HEIGHT,
        "limit": HEIGHT - HEIGHT * history["limit"] / most if history["limit"] else None,
        "bars": [
            {
                "x": number * step + GAP / 2, "width": step - GAP,
                "y": HEIGHT - HEIGHT * sent / most, "height": HEIGHT * sent / most,
                "day": language_date(day), "sent": sent, "bounces": bounces,
                "complaints": complaints,
            }
            for number, (day, sent, bounces, complaints) in enumerate(
                zip(history["days"], history["sent"], history["bounces"],
                    history["complaints"], strict=True)
            )
        ],
    }


class SendingPortal(http.Controller):
    @http.route(
        f"{HOME}/domains/<int:number>/sending", type="http", auth="user", website=True,
        methods=["GET"],
    )
    def show_sending(self, number, **_arguments):
        domain = find("emboux.domain", number)
        history = domain.outbound_history
        dates = request.env["ir.qweb.field.date"]
        return page(
            "portal_sending", request.env._("Sending"), of_domain(domain), domain=domain,
            words=sending_status(domain), tab="sending",
            chart=chart_of(history, lambda day: dates.value_to_html(day, {"format": "d. MMM"})),
            total=sum(history["sent"]), bounces=sum(history["bounces"]),
            complaints=sum(history["complaints"]),
        )

    @http.route(
        f"{HOME}/recipients", type="http", auth="user", website=True, methods=["GET"]
    )
    def look_up_recipient(self, email=None, **_arguments):
        """Why a recipient gets no mail: from the suppression list."""
        customer = own_customer()
        form = Form({"email": email} if email is not None else None, email="")
        found = None
        if form.sent:
            form.required("email")
            try:
                address = addresses.normalise_reported(form["email"])
            except addresses.AddressError as error:
                form.refuse("email", customer_message(error))
            else:
                found = request.env["emboux.suppression"]._find(address, customer.partner_id)
        return page("portal_recipients", request.env._("Recipients"), form=form, found=found)
