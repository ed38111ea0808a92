{
    "name": "Email Hosting for Customers",
    "summary": "Sell domains and mailboxes: what each customer has, at a glance",
    "version": "19.0.1.0.0",
    "category": "Services/Email Hosting",
    "author": "Emboux",
    "website": "https://emboux.example",
    "license": "LGPL-3",
    "depends": ["emboux_mail_api"],
    "data": ["views/res_partner_views.xml"],
}
