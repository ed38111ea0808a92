from . import (
    plan,
    customer,
    usage,
    usage_count,
    plan_period,
    customer_bill,
    account_move,
    usage_month,
    payment_failed,
    res_partner,
)
