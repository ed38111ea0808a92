from . import dispatcher
from . import documents, health, no_database
from . import domains, domain_settings, users, aliases
from . import api_keys, suppression, webhooks, outbound
