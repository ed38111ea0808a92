"""Where mail goes from an address: by aliases, catch-alls, and what mailboxes forward.

No model: a question that mailboxes and aliases both ask before they are saved.
"""

from odoo.fields import Domain

DEEPEST = 10  # steps; whoever is further away than that is stopped by Dovecot's own loop brake

_FORWARDS = "emboux.forwards"


class LoopError(Exception):
    """Mail would come back; ``by``: the first destination on the way."""

    def __init__(self, by):
        super().__init__(by)
        self.by = by


class MissingError(Exception):
    """An address of a hosted domain is nobody's."""

    def __init__(self, address):
        super().__init__(address)
        self.address = address


class MailRoutes:
    """Follows addresses within what the owner of a domain has, two queries for each step.

    Of others' addresses nobody learns whether they are there, or where they lead.
    """

    def __init__(self, env, domain):
        # as superuser: a way may pass through a company that the user does not see
        self._addresses = env["emboux.address"].sudo()
        self._aliases = env["emboux.alias"].sudo()
        self._domains = env["emboux.domain"].sudo()
        self._mailboxes = env["emboux.mailbox"].sudo()
        self._domain = domain.sudo()
        self._passed = set()

    def assert_no_way_back(self, origin, targets, must_exist=True):
        """Follow each of the targets; ``origin`` is an address, or ``@domain``.

        :raises LoopError: the mail would come back to ``origin``.
        :raises MissingError: with ``must_exist``, a target is an address of an own domain that
            nobody has.
        """
        if missing := self._missing(targets) if must_exist else ():
            raise MissingError(missing[0])
        if self._leads_to(origin, targets):
            # which of them is asked one by one only where there is something to say
            raise LoopError(next(t for t in targets if self._leads_to(origin, [t])))
        if self._passed:
            self._addresses._meet(self._domain.backend_id, [origin], self._passed)

    def forwards(self):
        """Whether any mailbox that mail could pass through forwards it.

        Asked once in a transaction, because hosts send thousands of aliases in one.
        """
        known = self._mailboxes.env.cr.precommit.data.setdefault(_FORWARDS, {})
        owner, backend = self._domain.partner_id.id, self._domain.backend_id.id
        if (owner, backend) not in known:
            known[owner, backend] = bool(self._mailboxes.search_count(
                [("forward_to", "!=", False), ("domain_id.partner_id", "=", owner),
                 ("domain_id.backend_id", "=", backend)], limit=1))
        return known[owner, backend]

    def _missing(self, targets):
        _onward, missing = self._step({without_tag(target) for target in targets})
        return [target for target in targets if without_tag(target) in missing]

    def _leads_to(self, origin, targets):
        seen, level = set(), {without_tag(target) for target in targets}
        for _depth in range(DEEPEST):
            if without_tag(origin) in level:
                return True
            level -= seen
            if not level:
                return False
            seen |= level
            level, _missing = self._step(level)
        return without_tag(origin) in level

    def _step(self, level):
        """(where the mail of these addresses goes next, those that nobody has)"""
        owner = self._domain.partner_id.id
        held = self._addresses.search_fetch(
            Domain("email", "in", sorted(level))
            & Domain("backend_id", "=", self._domain.backend_id.id)
            & (Domain("mailbox_id.domain_id.partner_id", "=", owner)
               | Domain("alias_id.domain_id.partner_id", "=", owner))
            # an archived one takes no mail
            & (Domain("mailbox_id.active", "=", True) | Domain("alias_id.active", "=", True)),
            ["email", "mailbox_id", "alias_id"],
        )
        self._passed.update(held.mapped("email"))
        onward = {goal for alias in held.alias_id for goal in alias._destination_list()}
        onward |= {goal for box in held.mailbox_id for goal in box._forward_list()}
        caught, missing = self._catch_alls(level - set(held.mapped("email")))
        self._passed |= caught
        return {without_tag(goal) for goal in onward} | caught, missing

    def _catch_alls(self, unknown):
        """(the catch-alls that take the mail of these, those that none takes)"""
        unknown = {address for address in unknown if not address.startswith("@")}
        if not unknown:
            return set(), set()
        names = sorted({address.rpartition("@")[2] for address in unknown})
        hosted = self._domains.search_fetch(
            Domain("name", "in", names)
            & Domain("partner_id", "=", self._domain.partner_id.id)
            & Domain("backend_id", "=", self._domain.backend_id.id)
            # what somebody merely claims is still outside
            & (Domain("owned_since", "!=", False) | Domain("id", "=", self._domain.id)),
            ["name"],
        )
        names = set(hosted.mapped("name"))
        catching = set(
            self._aliases.search_fetch(
                [("kind", "=", "catch_all"), ("domain_id", "in", hosted.ids)], ["email"]
            ).mapped("email")
        )
        ours = {address for address in unknown if address.rpartition("@")[2] in names}
        caught = {f"@{address.rpartition('@')[2]}" for address in ours} & catching
        return caught, {a for a in ours if f"@{a.rpartition('@')[2]}" not in catching}


def forget_forwards(env):
    """A mailbox begins to forward: what ``forwards`` has found before does not hold any more."""
    env.cr.precommit.data.pop(_FORWARDS, None)


def without_tag(address):
    """A tag after + reaches the same mailbox."""
    local, _at, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
