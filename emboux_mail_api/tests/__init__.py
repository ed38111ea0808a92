from . import (
    test_alias,
    test_bad_input,
    test_contract_local,
    test_cost,
    test_dns_check,
    test_domain,
    test_leaving,
    test_mailbox,
    test_outgoing,
    test_published,
    test_roles,
    test_tours,
)
