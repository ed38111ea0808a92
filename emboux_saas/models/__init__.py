from . import (
    plan_terms,
    plan,
    customer,
    customer_state,
    customer_notice,
    domain_plan,
    res_partner,
    res_users,
)
from . import free_name, portal_customer, portal_key, sign_up
