from . import set_password
