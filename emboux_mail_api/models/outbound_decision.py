"""The outgoing policy in Odoo's own transaction: the same code as the daemon's."""

from odoo import api, models
from odoo.exceptions import UserError

from ..policy import ledger
from ..policy.cursor import drive
from ..policy.decision import END, Decision, Request
from ..policy.normal import normal_address


class DomainDecision(models.Model):
    _inherit = "emboux.domain"

    @api.private
    def _decide_outgoing(self, recipients=1, addresses=(), login=None):
        """Decide about one message and count it when it is accepted.

        ``addresses``: the recipients, when they are known, of whom what they lead to is decided
        about and counted; else ``recipients`` is their number.
        ``login``: the mailbox that sends; without one the domain alone is asked.
        Returns the ``Decision``, and what the domain has sent today and this month after it.
        :raises UserError: the domain does not send from here, or the mailbox is not its own.
        """
        self.ensure_one()
        self.env.flush_all()
        cr = self.env.cr
        settings = self._outgoing_settings(login)
        known = settings.mailbox_suspended or settings.suspended or settings.unverified
        if not known and (stopped := self._stopped_sending(login)):
            # what Postfix says before it asks the policy: no relay takes the domain's mail yet
            code, detail, sentence = stopped.split(" ", 2)
            refusal = Decision("reject", "reject", f"{code} {detail}", f"{sentence}.", "relay")
            return refusal, *self.env["emboux.outbound.count"]._used(self)
        sender = settings.login or settings.domain
        normal = tuple(dict.fromkeys(map(normal_address, addresses)))
        check = tuple((to, ledger.pair_hash(sender, to)) for to in normal)
        request = Request(END, len(check) or recipients)
        ask = ledger.Ask(settings, request, check, tuple(pair for _to, pair in check),
                         expand=normal)
        [decision], facts = drive(ledger.charge([ask], forwards=True), cr)
        if decision.rule == "spike":
            cr.execute("SELECT emboux_mail.flag(%s)", [self.id])
            self.invalidate_recordset(["outbound_flagged_at"])
        used = facts.used(self.id)
        return decision, used.day, used.month

    def _outgoing_settings(self, login):
        if not login:
            settings = drive(ledger.load_domain(self.id), self.env.cr)
        else:
            settings = drive(ledger.load_settings([login]), self.env.cr).get(login)
        if settings is None or settings.domain_id != self.id:
            if login:
                raise UserError(
                    self.env._(
                        "%(login)s is no mailbox of %(domain)s.",
                        login=login,
                        domain=self.display_name,
                    )
                )
            raise UserError(self.env._("%s does not send from here.", self.display_name))
        return settings
