{
    "name": "Email Hosting Platform",
    "summary": "Makes this Odoo the mail platform that Postfix and Dovecot read",
    "version": "19.0.1.0.0",
    "category": "Services/Email Hosting",
    "author": "Emboux",
    "website": "https://emboux.example",
    "license": "LGPL-3",
    "depends": ["emboux_core"],
    "external_dependencies": {"python": ["cryptography"]},
    "data": [
        "security/ir.model.access.csv",
        "security/emboux_rules.xml",
        "data/emboux_backend.xml",
        "views/dkim_key_views.xml",
    ],
    "demo": ["demo/emboux_demo.xml"],
    "uninstall_hook": "uninstall_hook",
}
