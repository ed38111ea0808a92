import logging

from odoo import api, fields, models

from .apart import each_apart
from .errors import backend_errors
from .fields import BigInteger
from .mailbox import MEGABYTE

_logger = logging.getLogger(__name__)

BATCH = 100  # mailboxes written in one transaction


class MailboxUsage(models.Model):
    """How full mailboxes are, as their backend counted; kept up to date by a cron."""

    _inherit = "emboux.mailbox"

    usage_bytes = BigInteger("Use (bytes)", readonly=True, copy=False)
    message_total = fields.Integer("Messages", readonly=True, copy=False)
    usage_mb = fields.Float(
        "Use (MB)", compute="_compute_usage", store=True, precompute=True,
        digits=(16, 2), aggregator="sum",
    )
    usage_percent = fields.Float(
        "Quota Used (%)", compute="_compute_usage", store=True, precompute=True,
        aggregator="avg",
    )

    @api.depends("usage_bytes", "quota_mb")
    def _compute_usage(self):
        for mailbox in self:
            mailbox.usage_mb = mailbox.usage_bytes / MEGABYTE
            mailbox.usage_percent = (
                100 * mailbox.usage_mb / mailbox.quota_mb if mailbox.quota_mb else 0
            )

    @api.model
    def _cron_sync_usage(self):
        """Fetch what changed since the last time, one backend after the other."""
        backends = self.env["emboux.backend"].search([("active", "=", True)])
        asked = {}
        # its outage is not the others'
        each_apart(
            self.env, [backends],
            lambda backend: asked.update({backend: backend._ask_usage()}),
        )
        for backend, page in asked.items():
            if not backend._store_usage_apart(page):
                break


class DomainUsage(models.Model):
    _inherit = "emboux.domain"

    def _sum_usage(self):
        """Add up the mailboxes; as superuser, because the sum follows and is nobody's to write."""
        sums = dict(
            self.env["emboux.mailbox"].sudo().with_context(active_test=False)._read_group(
                [("domain_id", "in", self.ids)], ["domain_id"], ["usage_bytes:sum"]
            )
        )
        for domain in self.sudo():
            if domain.usage_bytes != (total := sums.get(domain, 0)):
                domain.usage_bytes = total


class BackendUsage(models.Model):
    _inherit = "emboux.backend"

    def _sync_usage(self):
        """Write the mailboxes and domains whose use changed since the backend's cursor."""
        page = self._ask_usage()
        self._store_usage(page.rows)
        # as superuser, here and below: what was counted is nobody's to write
        self.sudo().usage_cursor = page.cursor

    def _ask_usage(self):
        self.ensure_one()
        with backend_errors(self.env, self.name):
            return self._client().usage(self.usage_cursor or "")

    def _store_usage_apart(self, page):
        """As ``_sync_usage``, some mailboxes in a transaction, for a job.

        Others change mailboxes meanwhile: whoever meets them writes those few again, and not the
        thousands before.  The cursor moves on once all are written, what was written already is
        then as it should be.  Returns whether the job has time for more.
        """
        stored = set()

        def store(rows):
            self._store_usage(rows)
            stored.update(rows)

        time_left = each_apart(
            self.env, [page.rows], store,
            # one that cannot be written is told of again when its use changes
            lambda rows, _error: stored.update(rows), size=BATCH,
        )
        if len(stored) == len(set(page.rows)):
            # as superuser: as above
            time_left = each_apart(
                self.env, [self.sudo()],
                lambda backend: backend.write({"usage_cursor": page.cursor}),
            )
        return time_left

    def _store_usage(self, rows):
        usage = {row.email: row for row in rows}
        mailboxes = self.env["emboux.mailbox"].with_context(active_test=False).search_fetch(
            # what somebody merely claims holds no mail, whatever an address of that name holds
            [("email", "in", list(usage)), ("domain_id.backend_id", "=", self.id),
             *([("domain_id.owned_since", "!=", False)] if self._client().transactional else [])],
            ["email", "usage_bytes", "message_total", "domain_id"],
        )
        changed = self.env["emboux.mailbox"]
        for mailbox in mailboxes:
            row = usage[mailbox.email]
            if (mailbox.usage_bytes, mailbox.message_total) != (row.size, row.messages):
                # as superuser: see _sync_usage
                mailbox.sudo().write({"usage_bytes": row.size, "message_total": row.messages})
                changed |= mailbox
        changed.domain_id._sum_usage()
        _logger.info("%s: use of %d mailboxes changed", self.name, len(changed))
