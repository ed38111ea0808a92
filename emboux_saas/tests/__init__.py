from . import test_partner
from . import test_price_engine
from . import test_usage
from . import test_plan_period
from . import test_invoice
from . import test_billing_tour
