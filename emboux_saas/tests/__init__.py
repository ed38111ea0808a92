from . import (
    test_partner,
    test_portal_forms,
    test_portal_isolation,
    test_portal_pages,
    test_portal_signup,
    test_portal_terms,
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
from . import test_partner
from . import test_price_engine
from . import test_usage
from . import test_plan_period
from . import test_invoice
from . import test_billing_tour
