from . import (
    test_partner,
    test_portal_forms,
    test_portal_isolation,
    test_portal_pages,
    test_portal_signup,
    test_portal_terms,
)
