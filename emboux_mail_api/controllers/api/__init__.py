# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import dispatcher
from . import documents, health, metrics, no_database
from . import domains, domain_settings, users, aliases
from . import api_keys, suppression, webhooks, outbound, messages, webhook_endpoints, queue
