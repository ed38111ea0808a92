# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import (
    mail_compose_message,
    mailbox_handover,
    mailbox_rename,
    my_rules,
    parent_change,
    publish,
    publish_elsewhere,
    server_change,
    server_domain,
    server_status,
    set_password,
    user_mailbox,
)
