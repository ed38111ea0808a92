# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Where mail goes from an address, by what mailboxes forward too."""

from odoo.addons.emboux_core.alias_graph import TooDeep, follow, without_tag
from odoo.addons.emboux_core.models.mail_route import MailRoutes

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


class ForwardRoutes(MailRoutes):
    """With what mailboxes forward."""

    def __init__(self, env, domain):
        super().__init__(env, domain)
        self._mailboxes = env["emboux.mailbox"].sudo()

    def _onward(self, held):
        forwarded = {goal for box in held.mailbox_id for goal in box._forward_list()}
        return super()._onward(held) | forwarded

    def _origins(self, level):
        if not self.forwards():
            return super()._origins(level)
        forwarding = self._mailboxes.search_fetch(
            [("forward_to", "!=", False), ("domain_id.partner_id", "=", self._domain.partner_id.id),
             ("domain_id.backend_id", "=", self._domain.backend_id.id)], ["email", "forward_to"])
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
        known = self._mailboxes.env.cr.precommit.data.setdefault(_FORWARDS, {})
        owner, backend = self._domain.partner_id.id, self._domain.backend_id.id
        if (owner, backend) not in known:
            known[owner, backend] = bool(self._mailboxes.search_count(
                [("forward_to", "!=", False), ("domain_id.partner_id", "=", owner),
                 ("domain_id.backend_id", "=", backend)], limit=1))
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
