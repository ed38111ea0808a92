# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Where mail goes from an address: by aliases, catch-alls, and what mailboxes forward.

No model: a question that is asked before an address is saved.
"""

from odoo.fields import Domain

from ..alias_graph import TooDeep, follow, without_tag

_FORWARDS = "emboux.forwards"


class LoopError(Exception):
    """Mail would come back; ``by``: the first destination on the way."""

    def __init__(self, by):
        super().__init__(by)
        self.by = by


class MissingError(Exception):
    """An address of a hosted domain does not exist."""

    def __init__(self, address):
        super().__init__(address)
        self.address = address


class MailRoutes:
    """Where mail goes within what the owner of a domain has, some queries for each step.

    Of others' addresses nobody learns whether they are there, or where they lead.
    ``passed``: the addresses here that were on the way; ``mailboxes``: those that have them.
    """

    def __init__(self, env, domain):
        # as superuser: a way may pass through a company that the user does not see
        self._addresses = env["emboux.address"].sudo()
        self._aliases = env["emboux.alias"].sudo()
        self._domains = env["emboux.domain"].sudo()
        self._domain = domain.sudo()
        self.passed = set()
        self.mailboxes = env["emboux.mailbox"].sudo()

    @property
    def _own(self):
        """Search domain: the mailboxes or aliases of the same owner, on the same backend."""
        return (Domain("domain_id.partner_id", "=", self._domain.partner_id.id)
                & Domain("domain_id.backend_id", "=", self._domain.backend_id.id))

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
        self.mailboxes |= held.mailbox_id
        return self._onward(held) | catch_alls, caught

    def catch_alls_before(self, email):
        """The catch-alls, as ``@domain``, whose mail reaches this address by whatever route."""
        seen, level = set(), {email}
        while level:
            seen |= level
            level = self._origins(level) - seen
        return {address for address in seen if address.startswith("@")}

    def _origins(self, level):
        """The addresses whose mail goes to one of these next."""
        return set(self._aliases.search_fetch(
            self._own & self._aliases._delivering_to(level), ["email"]).mapped("email"))

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


class ForwardRoutes(MailRoutes):
    """With what mailboxes forward."""

    def _onward(self, held):
        forwarded = {goal for box in held.mailbox_id for goal in box._forward_list()}
        return super()._onward(held) | forwarded

    def _origins(self, level):
        if not self.forwards():
            return super()._origins(level)
        forwarding = self.mailboxes.search_fetch(
            self._own & Domain("forward_to", "!=", False), ["email", "forward_to"])
        return super()._origins(level) | {
            box.email for box in forwarding
            if level.intersection(map(without_tag, box._forward_list()))
        }

    def assert_no_way_back(self, origin, targets, must_exist=True):
        """Follow each of the targets; ``origin`` is an address, or ``@domain``.

        :raises LoopError: the mail would come back to ``origin``.
        :raises MissingError: with ``must_exist``, a target is an address of an own domain that
            nobody has.
        """
        if missing := self._missing(targets) if must_exist else ():
            raise MissingError(missing[0])
        if self._leads_to(origin, targets):
            # find out which one only if there is a loop
            raise LoopError(next(t for t in targets if self._leads_to(origin, [t])))
        if self.passed:
            self._addresses._force_conflict(self._domain.backend_id, [origin], self.passed)

    def forwards(self):
        """Whether any mailbox that mail could pass through forwards it.

        Asked once in a transaction, because hosts send thousands of aliases in one.
        """
        known = self.mailboxes.env.cr.precommit.data.setdefault(_FORWARDS, {})
        owner, backend = self._domain.partner_id.id, self._domain.backend_id.id
        if (owner, backend) not in known:
            known[owner, backend] = bool(self.mailboxes.search_count(
                self._own & Domain("forward_to", "!=", False), limit=1))
        return known[owner, backend]

    def _missing(self, targets):
        _onward, caught = self.step({without_tag(target) for target in targets})
        nobodys = {address for address, catch_all in caught.items() if catch_all is None}
        return [target for target in targets if without_tag(target) in nobodys]

    def _leads_to(self, origin, targets):
        try:
            return any(without_tag(origin) in level
                       for level in follow(targets, lambda level: self.step(level)[0]))
        except TooDeep:
            return False  # Dovecot's own loop brake stops whoever is further away


def forget_forwards(env):
    """A mailbox starts to forward: drop the cached result of ``forwards``."""
    env.cr.precommit.data.pop(_FORWARDS, None)


def _domain_of(address):
    return address.rpartition("@")[2]
