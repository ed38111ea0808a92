from markupsafe import Markup

from odoo import api, fields, models

LEVELS = (100, 95, 80)  # percent of the quota at which people are told, the highest first
SLACK = 5  # so much less has to be used before they are told of a level again


class StorageWarning(models.Model):
    """Tells a mailbox' people that it is getting full, each level once."""

    _inherit = "emboux.mailbox"
    _followed_fields = frozenset({"storage_warned"})

    storage_warned = fields.Integer("Told At (%)", readonly=True, copy=False)

    def write(self, vals):
        done = super().write(vals)
        if "usage_bytes" in vals or "quota_mb" in vals:
            self._check_storage()
        return done

    def _check_storage(self):
        """Where the use or the quota has changed: tell of a level that is reached, forget those
        that are left."""
        for mailbox in self:
            used = mailbox.usage_percent
            told = mailbox.storage_warned
            level = next((level for level in LEVELS if used >= level), 0)
            kept = next((level for level in LEVELS if level <= told and used >= level - SLACK), 0)
            if level > told and mailbox.active and mailbox._is_local():
                mailbox._warn_storage(level)
            if told != max(level, kept):
                # as superuser: what has been told follows, and is nobody's to write
                mailbox.sudo().storage_warned = max(level, kept)

    def _is_local(self):
        # as superuser: of which kind a backend is may be asked for anybody's mailbox
        return self.sudo().backend_id.kind == "local"

    @api.private
    def _warn_storage(self, percent):
        """Tell the mailbox' people that so much of its quota is used."""
        self.ensure_one()
        remedy = self.env._("Delete mail that is not needed and empty the trash, or ask for more.")
        if percent >= 100:
            text = self.env._("%s is full: new mail is refused.", self.display_name)
        else:
            text = self.env._(
                "%(mailbox)s is nearly full: %(percent)s %% of %(quota)s MB are used.",
                mailbox=self.display_name,
                percent=percent,
                quota=self.quota_mb,
            )
        # as superuser: its owner and its user are told, whoever's change it was
        mailbox = self.sudo()
        mailbox.message_post(
            body=Markup("<p>%s %s</p>") % (text, remedy),
            partner_ids=(mailbox.user_id.partner_id | mailbox.domain_id.partner_id).ids,
            subtype_xmlid="mail.mt_note",
        )
