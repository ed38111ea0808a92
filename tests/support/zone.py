"""What the world's DNS says, and changes of it by somebody who is not Emboux."""

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import dns.zone
from parts import dns as demo_dns


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


class Zone:
    """The world's zone as its server has it, and changes by somebody who is not Emboux."""

    def __init__(self, state, status):
        self.state, self.where = state, (status["dns"]["host"], status["dns"]["port"])

    def records(self, name):
        """All at and below a name, as "name type value", by transfer of the whole zone."""
        query = dns.query.xfr(self.where[0], demo_dns.ZONE, port=self.where[1], relativize=False,
                              timeout=10)
        zone = dns.zone.from_xfr(query, relativize=False)
        return {
            f"{owner.to_text(True)} {rdataset.rdtype.name} {data.to_text()}"
            for owner, rdataset in zone.iterate_rdatasets() for data in rdataset
            if owner.to_text(True) == name or owner.to_text(True).endswith(f".{name}")
        }

    def set(self, text):
        demo_dns.publish(self.state, text)

    def delete(self, name, rdtype):
        keyring = dns.tsigkeyring.from_text(
            {demo_dns.KEY_NAME: demo_dns.tsig_secret(self.state)}
        )
        update = dns.update.UpdateMessage(demo_dns.ZONE, keyring=keyring,
                                          keyalgorithm=demo_dns.KEY_ALGORITHM)
        update.delete(f"{name}.", rdtype)
        answer = dns.query.tcp(update, self.where[0], port=self.where[1], timeout=10)
        assert answer.rcode() == dns.rcode.NOERROR
