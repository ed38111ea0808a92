from . import (
    guarded,
    address,
    backend,
    provisioned,
    domain,
    domain_state,
    domain_check,
    dns_record,
    mailbox,
    mailbox_odoo,
    mailbox_usage,
    alias,
)
