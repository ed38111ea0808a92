from . import (
    test_addresses,
    test_contract,
    test_dns_expected,
    test_dns_faults,
    test_dns_judge,
    test_dns_lookup,
    test_dns_spf,
    test_passwords,
)
