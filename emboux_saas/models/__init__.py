from . import plan, customer, res_partner
from . import free_name, portal_customer, portal_key, sign_up
