# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Who carries and signs a domain's outgoing mail.  Plain Python: nothing here imports a model."""
