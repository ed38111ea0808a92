from . import plan_change, customer_plan, customer_stop, domain_transfer
