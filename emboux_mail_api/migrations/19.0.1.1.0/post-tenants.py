# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
import logging

from markupsafe import Markup

from odoo import SUPERUSER_ID, api

from odoo.addons.emboux_core import passwords

_logger = logging.getLogger(__name__)


def migrate(cr, version):
    """Hashes far more expensive than ours were accepted once, and one of them delays everybody.

    They go, and their owners are told: nobody but the owner knows the password, so none can be
    created again, and a hash that Dovecot may not check is of no use.
    """
    env = api.Environment(cr, SUPERUSER_ID, {})
    mailboxes = env["emboux.mailbox"].with_context(active_test=False)
    ours = passwords.HASHER.hash("x" * 20).rpartition("$")[0].rpartition("$")[0]
    cr.execute(
        "SELECT id, password_hash FROM emboux_mailbox WHERE password_hash IS NOT NULL"
        " AND NOT starts_with(password_hash, %s) ORDER BY id",
        [ours],
    )
    for number, text in cr.fetchall():
        try:
            passwords.accept_hash(text)
        except passwords.PasswordError:
            mailboxes += mailboxes.browse(number)
    mailboxes.password_hash = False
    for mailbox in mailboxes:
        mailbox.message_post(
            body=env._(
                "The hash of its password cost too much to check at each log-in and was removed. "
                "Nobody can log in until a new password is set."
            )
        )
    for domain, boxes in mailboxes.grouped("domain_id").items():
        names = boxes.mapped("display_name")
        _logger.warning("New passwords are needed, the hashes cost too much: %s", ", ".join(names))
        domain.message_post(
            body=Markup("%s<br/>%s")
            % (
                env._(
                    "These mailboxes need a new password, the hashes of theirs cost too much to "
                    "check at each log-in and were removed:"
                ),
                ", ".join(names),
            ),
            partner_ids=domain.user_id.partner_id.ids,
        )
