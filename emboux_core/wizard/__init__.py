from . import parent_change, set_password
