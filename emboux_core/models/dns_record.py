# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from odoo import api, fields, models

from ..dns.expected import ExpectedRecord, expected_records, zone_text


class DnsRecord(models.Model):
    _name = "emboux.dns.record"
    _description = "DNS Record of an Email Domain"
    _order = "domain_id, sequence, id"
    _rec_name = "name"

    domain_id = fields.Many2one("emboux.domain", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="domain_id.company_id", store=True, index=True,
                                 precompute=True)
    sequence = fields.Integer(default=10)
    key = fields.Char(required=True, help="Stable identifier of the record's purpose.")
    record_type = fields.Selection(
        [("MX", "MX"), ("TXT", "TXT"), ("CNAME", "CNAME"), ("SRV", "SRV")],
        "Type",
        required=True,
    )
    name = fields.Char(required=True)
    expected = fields.Text("Value to Set", required=True)
    found = fields.Text()
    state = fields.Selection(
        [("unknown", "Not Checked"), ("ok", "OK"), ("missing", "Missing"), ("wrong", "Wrong")],
        default="unknown",
        required=True,
    )
    note = fields.Char("What to Do", help="What is wrong, and what to do about it.")
    harmless = fields.Boolean(
        readonly=True, help="It is wrong, but receivers do not refuse the domain's mail for it."
    )
    level = fields.Selection(
        [("required", "Required"), ("recommended", "Recommended"), ("optional", "Optional")],
        required=True,
    )
    purpose = fields.Char("Why It Matters")
    advice = fields.Text("Why, and What to Do", compute="_compute_advice")

    _key_unique = models.UniqueIndex("(domain_id, key)")

    @api.depends("note", "purpose")
    def _compute_advice(self):
        """What is wrong comes first; why the record matters is always shown."""
        for record in self:
            record.advice = "\n".join(part for part in (record.note, record.purpose) if part)

    def _as_expected(self):
        """The value object that ``dns.lookup`` and ``dns.expected.zone_text`` work on."""
        self.ensure_one()
        return ExpectedRecord(
            key=self.key,
            record_type=self.record_type,
            name=self.name,
            value=self.expected,
            level=self.level,
            purpose=self.purpose or "",
            # as superuser: the parent may be the operator's
            signer=self.sudo().domain_id.parent_id.name or "" if self.key == "dmarc" else "",
        )

    def _has_policy(self):
        """Whether this is the DMARC record, and another one applies, its own or one above: that
        is somebody's choice, which ours would undercut."""
        self.ensure_one()
        return self.key == "dmarc" and bool(self.found) and self.found != self.expected

    def _zone_text(self):
        """These records as the text of a zone file (RFC 1035)."""
        return zone_text([record._as_expected() for record in self]) if self else ""

    def _align(self, domain, service):
        """Bring the domain's rows in line with its service; unchanged ones keep their verdict."""
        self._align_to(domain, expected_records(domain.name, service))

    def _align_to(self, domain, records):
        """Bring the domain's rows in line with these ``ExpectedRecord``; unchanged ones keep their
        verdict."""
        # as superuser: rows of the table are the platform's to write, not the user's
        rows = {row.key: row for row in self.sudo()}
        new = []
        for sequence, expected in enumerate(records, 1):
            values = {
                "sequence": sequence,
                "record_type": expected.record_type,
                "name": expected.name,
                "expected": expected.value,
                "level": expected.level,
                "purpose": expected.purpose,
            }
            row = rows.pop(expected.key, None)
            if row is None:
                new.append(values | {"domain_id": domain.id, "key": expected.key})
            elif any(row[field] != value for field, value in values.items()):
                if (row.expected, row.name) != (expected.value, expected.name):
                    values |= {
                        "state": "unknown", "found": False, "note": False, "harmless": False,
                    }  # fmt: skip
                row.write(values)
        self.sudo().browse(row.id for row in rows.values()).unlink()
        self.sudo().create(new)
