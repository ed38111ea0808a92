from . import dispatcher
from . import documents, health
from . import domains, domain_settings, users, aliases
from . import api_keys, suppression, webhooks, outbound
