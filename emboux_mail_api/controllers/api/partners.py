# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""How the API names a customer: by the partner's reference, or ``id:`` and a number."""

from ...api_errors import invalid

_MAX_ID = 2**31 - 1


def partner_of(env, ref, field="partner_ref"):
    """The partner with this reference.  :raises ApiError: 422, none or several have it."""
    # as superuser: a master key's user may not read all contacts
    partners = env["res.partner"].sudo().with_context(active_test=False)
    number = ref.removeprefix("id:")
    if ref.startswith("id:") and number.isascii() and number.isdigit():
        found = partners.browse(min(int(number), _MAX_ID)).exists()
    else:
        found = partners.search([("ref", "=", ref)], limit=2)
    if len(found) != 1:
        many = "several customers have" if found else "no customer has"
        raise invalid(field, f"{many} the reference '{ref}'")
    return found.sudo(False)


def ref_of(partner):
    """How a customer is named, or None."""
    partner = partner.sudo()  # as superuser: see above
    if not partner:
        return None
    return partner.ref or f"id:{partner.id}"


def caller_may_name_partners(request):
    """A customer's key names nobody: the field is ignored, what they make is theirs."""
    return request.emboux_key.role == "master"
