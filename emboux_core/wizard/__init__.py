from . import parent_change, publish, publish_elsewhere, set_password
