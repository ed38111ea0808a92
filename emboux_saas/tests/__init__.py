from . import (
    test_customer_dunning,
    test_customer_erase,
    test_customer_notice,
    test_customer_people,
    test_customer_plan,
    test_customer_state,
    test_domain_offer,
    test_operator_tours,
    test_partner,
)
