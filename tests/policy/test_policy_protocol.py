"""The policy protocol, byte by byte; and bytes that are none of it."""

import re
import unicodedata

import pytest
from emboux_daemons.policy.decision import ACCEPT, Decision
from emboux_daemons.policy.normal import normal_address
from emboux_daemons.policy.protocol import (
    LARGEST_BLOCK,
    UNAVAILABLE,
    Parser,
    ProtocolError,
    Query,
    answer,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st
from support.plain_core.addresses import AddressError, normalise_reported

#: As Postfix 3.7 sends it on an authenticated submission.
BLOCK = b"""request=smtpd_access_policy
protocol_state=END-OF-MESSAGE
protocol_name=ESMTP
client_address=127.0.0.1
client_name=localhost
helo_name=[127.0.0.1]
sender=ann@acme.example
recipient=Bob@Else.Example
recipient_count=1
queue_id=4X9C21F
instance=1f.65e.abc.0
size=1234
etrn_domain=
stress=
sasl_method=PLAIN
sasl_username=Ann@Acme.example
sasl_sender=
ccert_subject=
encryption_protocol=TLSv1.3
policy_context=
"""
QUERY = Query("END-OF-MESSAGE", "ann@acme.example", "bob@else.example", 1, "1f.65e.abc.0",
              "4X9C21F", sender_domain="acme.example")
ACTION = re.compile(rb"action=[\x20-\x7e]+\n\n")


def queries(*chunks):
    parser, found = Parser(), []
    for chunk in chunks:
        parser.feed(chunk)
        while query := parser.next():
            found.append(query)
    return found


def test_a_request_of_postfix():
    assert queries(BLOCK + b"\n") == [QUERY]
    assert QUERY.concerns_us


def test_several_requests_at_once_and_in_pieces():
    stream = (BLOCK + b"\n") * 3
    assert queries(stream) == [QUERY] * 3
    assert queries(*(bytes([byte]) for byte in stream)) == [QUERY] * 3


def test_carriage_returns_are_tolerated():
    stream = (BLOCK + b"\n").replace(b"\n", b"\r\n") * 2
    assert queries(stream) == [QUERY] * 2
    assert queries(*(bytes([byte]) for byte in stream)) == [QUERY] * 2


def test_any_order_unknown_names_and_values_with_equals_signs():
    lines = BLOCK.splitlines()
    query = parse(b"\n".join([b"x=y=z", b"colour=", *reversed(lines)]) + b"\n")
    assert query == QUERY
    assert parse(BLOCK.replace(b"Bob@", b"bob=tag=x@")).recipient == "bob=tag=x@else.example"


def test_a_name_is_the_whole_name():
    assert parse(BLOCK.replace(b"sasl_username=", b"xsasl_username=")).login == ""
    assert parse(b"sender=sasl_username=eve@x\n" + BLOCK).login == "ann@acme.example"


def test_in_another_stage_it_is_not_ours():
    for other in (BLOCK.replace(b"END-OF-MESSAGE", b"MAIL"),
                  BLOCK.replace(b"protocol_state=END-OF-MESSAGE\n", b"")):
        assert not parse(other).concerns_us


def test_whose_message_it_is():
    anonymous = BLOCK.replace(b"Ann@Acme.example", b"").replace(
        b"sender=ann@acme.example", b"sender=Bob+x@Acme.example.")
    assert parse(anonymous).login == ""
    inject = b"policy_context=inject"
    sieve = parse(anonymous.replace(b"policy_context=", inject))
    assert (sieve.login, sieve.by_sieve) == ("bob@acme.example", True)
    assert parse(BLOCK.replace(b"policy_context=", inject)).login == "ann@acme.example"


@pytest.mark.parametrize(("written", "normal"), [
    ("Anna@Example.COM.", "anna@example.com"), ('"anna"@x.example', "anna@x.example"),
    ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"), ("José@x.example", "josé@x.example"),
    ("an na@x.example", '"an na"@x.example'), ('"an\\"na"@x.example', '"an\\"na"@x.example'),
    ("ab..cd@docomo.example", "ab..cd@docomo.example"), ("y@my_host.example", "y@my_host.example"),
    ("a@b@x.example", '"a@b"@x.example'), ("nobody", "nobody"), ("@", "@"),
])
def test_the_normal_form_of_an_address(written, normal):
    assert normal_address(written) == normal_address(normal) == normal
    if "@" in normal.strip("@"):
        assert normalise_reported(written) == normal


@given(st.text(st.sampled_from('aZ0.+-_"\\éÜßİ(<,'), min_size=1, max_size=8),
       st.text(st.sampled_from("aZ0.-_éÜßİ"), min_size=1, max_size=8))
def test_the_list_and_the_daemon_spell_alike(local, domain):
    written = f"{local}@{domain}.example"
    try:
        reported = normalise_reported(written)
    except AddressError:
        return
    assert normal_address(written) == reported


def is_harmless(text):
    """No control character and no end of a line; others may stand in an address (RFC 6531)."""
    return not {unicodedata.category(letter) for letter in text} & {"Cc", "Zl", "Zp"}


@pytest.mark.parametrize("odd", [b"\0", b"\xff\xfe", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8"])
@pytest.mark.parametrize("around", [b"b%s@", b"b@%s."])
def test_control_characters_are_made_harmless(odd, around):
    query = parse(BLOCK.replace(b"Bob@", around.replace(b"%s", odd)))
    assert is_harmless(query.recipient)


@pytest.mark.parametrize("block", [
    b"", b"\n", b"GET / HTTP/1.1\n", b"request=junk\n",
    BLOCK.replace(b"request=", b"Request="),
    BLOCK.replace(b"recipient_count=1", b"recipient_count=-1"),
    BLOCK.replace(b"recipient_count=1", b"recipient_count=1e3"),
    BLOCK.replace(b"recipient_count=1", "recipient_count=١".encode()),
    BLOCK.replace(b"recipient_count=1", b"recipient_count=" + b"9" * 40),
    BLOCK.replace(b"Bob@", b"b" * 3000),
])
def test_protocol_violations_are_reported(block):
    with pytest.raises(ProtocolError):
        parse(block)


def test_a_request_without_an_end_is_given_up():
    parser = Parser()
    parser.feed(b"a=" + b"x" * LARGEST_BLOCK)
    with pytest.raises(ProtocolError):
        parser.next()
    parser = Parser()
    parser.feed(BLOCK + b"a=b\n" * LARGEST_BLOCK + b"\n")
    with pytest.raises(ProtocolError):
        parser.next()


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes_give_queries_or_a_protocol_error(chunks):
    try:
        for query in queries(*chunks):
            assert isinstance(query, Query)
    except ProtocolError as error:
        assert str(error)


@given(st.binary(max_size=200), st.integers(0, len(BLOCK)), st.integers(0, 40))
def test_a_request_with_anything_in_it_gives_a_query_or_a_protocol_error(junk, place, cut):
    try:
        for query in queries(BLOCK[:place] + junk + BLOCK[place + cut:] + b"\n"):
            assert 0 <= query.recipients <= 1_000_000
            assert is_harmless(query.login + query.recipient)
    except ProtocolError as error:
        assert str(error)


@given(st.text(max_size=500))
def test_an_answer_is_one_line_of_ascii(reason):
    for code in ("450 4.7.1", "HOLD", "550 5.7.1"):
        assert ACTION.fullmatch(answer(Decision("defer", "defer", code, reason or "x")))


def test_accepted_mail_is_left_to_the_other_checks():
    assert answer(ACCEPT) == b"action=DUNNO\n\n"
    assert ACTION.fullmatch(UNAVAILABLE) and UNAVAILABLE.startswith(b"action=DEFER_IF_PERMIT 4.3.0")
