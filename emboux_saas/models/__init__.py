from . import (
    plan_terms,
    plan,
    customer,
    customer_state,
    customer_notice,
    domain_plan,
    usage,
    usage_count,
    plan_period,
    customer_bill,
    account_move,
    usage_month,
    payment_failed,
    res_partner,
    res_users,
)
from . import free_name, portal_customer, portal_key, sign_up
