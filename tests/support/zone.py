"""What the world's DNS says, for programs that ask by a function."""

import dns.message
import dns.query
import dns.rdatatype


def txt_of(status):
    """A function that dkimpy asks for the TXT record of a name."""

    def txt(name, **_options):
        query = dns.message.make_query(name.decode(), "TXT")
        answer, _by_tcp = dns.query.udp_with_fallback(
            query, status["dns"]["host"], port=status["dns"]["port"], timeout=5
        )
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.TXT:
                return b"".join(rrset[0].strings)
        return None

    return txt
