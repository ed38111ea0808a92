from odoo import fields, models


class DomainNotice(models.Model):
    """What happens to a domain and its owner has to know: by the one door, ``_notify``."""

    _inherit = "emboux.domain"

    def write(self, vals):
        status = vals.get("outbound_status")
        turned = self.filtered(lambda d: status and d.outbound_status != status)
        done = super().write(vals)
        for domain in turned:
            kind = "sending_blocked" if status == "blocked" else "sending_released"
            domain._notify_owner(
                kind, {"domain": domain, "reason": domain.outbound_reason,
                       "period": str(fields.Datetime.now())}
            )
        return done

    def _notify_owner(self, kind, values):
        self.ensure_one()
        # as superuser: whose it is need not be the caller's to see
        customer = self.env["emboux.customer"]._of(self.sudo().partner_id)
        return bool(customer) and customer._notify(kind, values)

    def _owner_to_tell(self):
        """A customer is told by his notice."""
        owner = super()._owner_to_tell()
        return owner.browse() if self.env["emboux.customer"]._of(owner) else owner

    def _tell_changes(self, changes):
        done = super()._tell_changes(changes)
        broken = [record for record, before in changes
                  if before == "ok" and record.state in ("missing", "wrong")]
        if broken:
            self._notify_owner(
                "dns_broken",
                {
                    "domain": self,
                    "records": [f"{r.record_type} {r.name}: {r.expected}" for r in broken],
                },
            )
        return done

    def _warn_transfer(self, percent):
        if not self._has_customer():
            return super()._warn_transfer(percent)
        return self._notify_owner(f"transfer_{percent}", {"domain": self})

    def _has_customer(self):
        # as superuser: see above
        return bool(self.env["emboux.customer"]._of(self.sudo().partner_id))


class MailboxNotice(models.Model):
    _inherit = "emboux.mailbox"

    def _warn_storage(self, percent):
        # as superuser: its owner is told, whoever's change it was
        domain = self.sudo().domain_id
        if not domain._has_customer():
            return super()._warn_storage(percent)
        return domain._notify_owner(f"storage_{percent}", {"mailbox": self})
