{
    "name": "Email Hosting for Customers",
    "summary": "Sell domains and mailboxes: plans, customers, portal, invoices",
    "version": "19.0.1.0.0",
    "category": "Services/Email Hosting",
    "author": "Emboux",
    "website": "https://emboux.example",
    "license": "LGPL-3",
    "depends": ["emboux_mail_api", "account", "portal", "auth_signup"],
    "data": [
        "security/ir.model.access.csv",
        "security/emboux_rules.xml",
        "data/mail_templates_notice.xml",
        "views/res_partner_views.xml",
    ],
}
