"""Runs in ``odoo shell`` of the earlier commit (see upgrade-from): something of each kind.

Only what has been in every version: fields and methods that people and the API use.
"""

env = globals()["env"]
env = env(context={**env.context, "tracking_disable": False})
backend = env.ref("emboux_mail_api.backend_local")
if not backend.mail_host:  # of a world without mail
    backend.write({"mail_host": "mail.emboux.example", "smtp_host": "mail.emboux.example"})
product = env["product.product"].create({"name": "Email", "type": "service"})
plans = env["emboux.plan"].create(
    [
        {"name": f"Plan {number}", "product_id": product.id, "mailbox_limit": 50 * number,
         "domain_limit": 10}
        for number in (1, 2)
    ]
)
parent = env["emboux.domain"].create({"name": "sites.example", "is_wildcard": True})
parent.state = "verified"
for number in range(6):
    partner = env["res.partner"].create(
        {"name": f"Customer {number}", "email": f"owner@customer{number}.example"}
    )
    env["emboux.customer"].create({"partner_id": partner.id, "plan_id": plans[number % 2].id})
    domain = env["emboux.domain"].create(
        {"name": f"customer{number}.example", "partner_id": partner.id}
    )
    subdomain = env["emboux.domain"].create(
        {"name": f"c{number}.sites.example", "partner_id": partner.id}
    )
    domain.state = ("pending", "verified")[number % 2]
    boxes = env["emboux.mailbox"].create(
        [
            {"local_part": f"box{box}", "domain_id": where.id, "password": f"Upgrade-{box}-me!",
             "quota_mb": 100 + box, "catch_all": box == 3}
            for where in (domain, subdomain)
            for box in range(5)
        ]
    )
    boxes[0].forward_to = f"elsewhere@customer{number}.example"
    boxes[1].write(
        {"vacation_on": True, "vacation_subject": "Away", "vacation_text": "Back on Monday."}
    )
    boxes[2].action_suspend()
    env["emboux.alias"].create(
        {"local_part": "team", "domain_id": domain.id,
         "destinations": "\n".join(boxes[:3].mapped("email"))}
    )
    env["emboux.suppression"].create(
        [
            {"email": f"gone{n}@elsewhere.example", "partner_id": partner.id, "reason": "bounce",
             "detail": "550 5.1.1"}
            for n in range(3)
        ]
    )
    env["emboux.api.key"]._make({"name": f"Key {number}", "partner_id": partner.id})
    if number == 5:
        domain.action_suspend()
        env["emboux.customer"].search([("partner_id", "=", partner.id)]).plan_id = plans[0]
env["emboux.usage"]._cron_count()
env.cr.commit()
print("filled")
