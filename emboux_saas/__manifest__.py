{
    "name": "Email Hosting for Customers",
    "summary": "Sell domains and mailboxes: plans, customers, portal, invoices",
    "version": "19.0.1.0.0",
    "category": "Services/Email Hosting",
    "author": "Emboux",
    "website": "https://emboux.example",
    "license": "LGPL-3",
    "depends": ["emboux_mail_api", "account_payment", "portal", "auth_signup"],
    "data": [
        "security/ir.model.access.csv",
        "security/emboux_rules.xml",
        "data/billing_cron.xml",
        "views/usage_views.xml",
        "views/billing_views.xml",
        "views/account_move_views.xml",
        "views/res_partner_views.xml",
    ],
}
