from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError


class DomainParent(models.Model):
    """Wildcard parents: subdomains added below one are ready at once."""

    _inherit = "emboux.domain"

    @api.constrains("is_wildcard", "parent_id")
    def _check_wildcard(self):
        for domain in self.filtered(lambda d: d.is_wildcard and d.parent_id):
            raise ValidationError(
                self.env._(
                    "%(name)s is itself a subdomain of %(parent)s, so it cannot be a wildcard "
                    "parent.",
                    name=domain.display_name,
                    parent=domain.parent_id.display_name,
                )
            )
        # as superuser: subdomains may be other customers'
        for domain in self.sudo().filtered(lambda d: not d.is_wildcard and d.child_ids):
            raise ValidationError(
                self.env._(
                    "%(name)s has to stay a wildcard parent while it has subdomains: "
                    "%(children)s. Delete or detach these first.",
                    name=domain.display_name,
                    children=", ".join(domain.child_ids.mapped("display_name")),
                )
            )

    def _search_parents(self, names):
        """The verified wildcard parents of these names that whoever asks may use."""
        return self.search(
            [("name", "in", names), ("is_wildcard", "=", True), ("state", "=", "verified")]
        )

    def _with_parents(self, vals_list):
        """Link each new name to the verified wildcard parent above it, if there is one."""
        above = {
            vals["name"]: [
                vals["name"].split(".", depth)[-1] for depth in range(1, vals["name"].count("."))
            ]
            for vals in vals_list
        }
        parents = self._search_parents(list({name for names in above.values() for name in names}))
        for vals in vals_list:
            near = [
                parent
                for name in above[vals["name"]]
                for parent in parents
                if parent.name == name
                and vals.get("backend_id", parent.backend_id.id) == parent.backend_id.id
                and vals.get("company_id", self.env.company.id) == parent.company_id.id
            ]
            if near:
                vals |= {"parent_id": near[0].id, "backend_id": near[0].backend_id.id}
                if not near[0]._judged_elsewhere():  # else its platform says it
                    vals |= {"state": "verified", "owned_since": fields.Datetime.now()}
        return vals_list

    # -- changes -------------------------------------------------------------------------

    @api.private
    def _set_parent(self, parent, wildcard, detach=False):
        """Put the domain under a wildcard parent (or none), and say whether it is one itself.

        ``detach``: its subdomains may be cut off when it is none any more.
        :raises UserError: with what would become of which subdomains, unless ``detach``.
        """
        self.ensure_one()
        self.check_access("write")
        if parent:
            self._assert_fits_under(parent)
        if parent != self.parent_id:
            if parent:
                # as superuser: the parent decides about verification, it is nobody's to write
                self.sudo().parent_id = parent
                self._advance("verified", self._why_verified())
            else:
                self._detach()
        if wildcard != self.is_wildcard:
            # as superuser: subdomains may be other customers'
            if self.sudo().child_ids:
                if not detach:
                    raise UserError("\n".join(self._consequences("dissolve")))
                self.sudo().child_ids._detach()
            self.is_wildcard = wildcard

    def _assert_fits_under(self, parent):
        if not self.name.endswith(f".{parent.name}"):
            raise UserError(
                self.env._(
                    "%(name)s is not below %(parent)s.",
                    name=self.display_name,
                    parent=parent.display_name,
                )
            )
        if not parent.is_wildcard or parent.state != "verified":
            raise UserError(
                self.env._("%s is not a verified wildcard parent.", parent.display_name)
            )
        if parent.backend_id != self.backend_id or parent.company_id != self.company_id:
            raise UserError(self.env._("%s is on another backend.", parent.display_name))

    def _detach(self):
        """Let subdomains stand alone: nothing proves them any more, neither name nor mail."""
        # as superuser: the parent decided about verification, it is nobody's to write
        for domain in self.sudo().filtered("parent_id"):
            parent = domain.parent_id.display_name
            domain.write({"parent_id": False, "owned_since": False})
            domain._advance("pending", self.env._("Detached from %s.", parent))

    def _consequences(self, change):
        """What a change would do to which subdomains, a sentence each; changes nothing.

        ``change``: *detach* this subdomain, *dissolve* this wildcard parent, *unverify* it.
        """
        self.ensure_one()
        # as superuser: other customers' subdomains are hit too
        hit = self.sudo() if change == "detach" else self.sudo().child_ids
        if change == "unverify":
            effect = self.env._(
                "%(name)s (%(mailboxes)s mailboxes) cannot send until %(parent)s is verified "
                "again; it keeps taking mail."
            )
        else:
            effect = self.env._(
                "%(name)s (%(mailboxes)s mailboxes) neither sends nor takes new mail until DNS "
                "records of its own prove it; %(parent)s does not speak for it any more."
            )
        return [
            effect
            % {
                "name": domain.display_name,
                "mailboxes": domain.mailbox_count,
                "parent": domain.parent_id.display_name,
            }
            for domain in hit
        ]

    def action_change_parent(self):
        """Ask before subdomains are cut off; what to ask about comes in the context."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("What This Does"),
            "res_model": "emboux.parent.change",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_domain_id": self.id,
                "default_change": self.env.context.get("change", "detach"),
            },
        }
