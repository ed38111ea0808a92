"""What a domain is provisioned on.  Plain Python: nothing here imports an Odoo model."""
