# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Email Hosting for Mailings",
    "summary": "Says on a mailing how many days it will take within the domain's limit",
    "version": "19.0.1.0.0",
    "category": "Services/Email Hosting",
    "development_status": "Beta",
    "author": "Emboux",
    "maintainers": ["emboux"],
    "website": "https://emboux.example",
    "license": "LGPL-3",
    "depends": ["emboux_core", "mass_mailing"],
    "data": ["views/mailing_views.xml"],
    "auto_install": True,
}
