from . import plan, customer, res_partner
