# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import (
    plan_terms,
    plan,
    plan_period,
    customer,
    customer_plan,
    customer_billing,
    customer_portal,
    customer_report,
    notice,
    domain_plan,
    mailbox_plan,
    usage,
    usage_progress,
    usage_month,
    outbound_count,
    account_move,
    payment_failed,
    api_key,
    res_partner,
    res_users,
)
