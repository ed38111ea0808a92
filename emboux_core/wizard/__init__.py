from . import publish, publish_elsewhere, set_password
