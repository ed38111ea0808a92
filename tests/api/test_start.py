"""What the platform does when it starts."""

from support.api_client import done


def test_start_wrong_counters_are_corrected(
    customers, domains, second_odoo, connect, used, state
):
    """Broken behind Odoo's back; a further process starts, and from its start on they are right."""
    refs = [customers.partner(domain_limit=3) for _ in range(3)]
    keys = [customers.key(ref) for ref in refs]
    for key, count in zip(keys, (2, 1, 0), strict=True):
        for _ in range(count):
            domains(key)
    cursor = connect("odoo").cursor()
    for ref, wrong in zip(refs, (0, 3, 77), strict=True):
        cursor.execute(
            "UPDATE emboux_customer c SET domains_used = %s FROM res_partner p"
            " WHERE p.id = c.partner_id AND p.ref = %s", [wrong, ref])
    assert [used(ref) for ref in refs] == [0, 3, 77]
    second_odoo.start()
    assert [used(ref) for ref in refs] == [2, 1, 0]
    assert "domains_used was 77, is 0" in state.path("log", "second.log").read_text()
    # and the limit is what it was: one more for the first, two for the second
    for key, left in zip(keys, (1, 2, 3), strict=True):
        there = key.with_key(key.key)
        there.url = f"{second_odoo.url}/emboux/v1"
        for _ in range(left):
            domains(there)
        assert there.post("/domains/", {"name": "one-too-many.example"}).status_code == 409
        assert done(there.get("/domains/"))["total"] == 3
