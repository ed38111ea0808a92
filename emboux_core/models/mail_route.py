# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Where mail goes from an address: by aliases and catch-alls.

No model: a question that is asked before an address is saved.
"""

from odoo.fields import Domain


class MailRoutes:
    """Where mail goes within what the owner of a domain has, some queries for each step.

    Of others' addresses nobody learns whether they are there, or where they lead.
    ``passed``: the addresses here that were on the way.
    """

    def __init__(self, env, domain):
        # as superuser: a way may pass through a company that the user does not see
        self._addresses = env["emboux.address"].sudo()
        self._aliases = env["emboux.alias"].sudo()
        self._domains = env["emboux.domain"].sudo()
        self._domain = domain.sudo()
        self.passed = set()

    def step(self, level):
        """(where the mail of these addresses goes next, those of hosted domains that nobody has)

        The latter with the catch-all that takes their mail, ``@domain``, or None.  Mailboxes, and
        who is outside, end a way.
        """
        owner = self._domain.partner_id.id
        held = self._addresses.search_fetch(
            Domain("email", "in", sorted(level))
            & (Domain("mailbox_id.domain_id.partner_id", "=", owner)
               | Domain("alias_id.domain_id.partner_id", "=", owner))
            & Domain("backend_id", "=", self._domain.backend_id.id)
            # an archived one takes no mail
            & (Domain("mailbox_id.active", "=", True) | Domain("alias_id.active", "=", True)),
            ["email", "mailbox_id", "alias_id"],
        )
        names = held.mapped("email")
        caught = self._caught(level.difference(names))
        catch_alls = set(filter(None, caught.values()))
        self.passed.update(names, catch_alls)
        return self._onward(held) | catch_alls, caught

    def catch_alls_before(self, email):
        """The catch-alls, as ``@domain``, whose mail comes to this address on whatever way."""
        seen, level = set(), {email}
        while level:
            seen |= level
            level = self._origins(level) - seen
        return {address for address in seen if address.startswith("@")}

    def _origins(self, level):
        """The addresses whose mail goes to one of these next."""
        return set(self._aliases.search_fetch(
            Domain("domain_id.partner_id", "=", self._domain.partner_id.id)
            & Domain("backend_id", "=", self._domain.backend_id.id)
            & self._aliases._delivering_to(level),
            ["email"],
        ).mapped("email"))

    def _onward(self, held):
        return {goal for alias in held.alias_id for goal in alias._destination_list()}

    def _caught(self, unknown):
        unknown = sorted(address for address in unknown if not address.startswith("@"))
        if not unknown:
            return {}
        hosted = self._domains.search_fetch(
            Domain("name", "in", sorted({_domain_of(address) for address in unknown}))
            & Domain("partner_id", "=", self._domain.partner_id.id)
            & Domain("backend_id", "=", self._domain.backend_id.id)
            # what somebody merely claims is still outside
            & (Domain("owned_since", "!=", False) | Domain("id", "=", self._domain.id)),
            ["name"],
        )
        if not hosted:
            return {}
        catching = self._aliases.search_fetch(
            [("kind", "=", "catch_all"), ("domain_id", "in", hosted.ids)], ["email"]
        ).mapped("email")
        names = set(hosted.mapped("name"))
        return {
            address: f"@{_domain_of(address)}" if f"@{_domain_of(address)}" in catching else None
            for address in unknown if _domain_of(address) in names
        }


def _domain_of(address):
    return address.rpartition("@")[2]
