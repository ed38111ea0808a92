import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { CopyButton } from "@web/core/copy_button/copy_button";
import { CharField, charField } from "@web/views/fields/char/char_field";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { Component } from "@odoo/owl";

/** A value with a button that copies it: in forms and lists, readonly or not. */
export class CopyField extends Component {
    static template = "emboux_core.CopyField";
    static components = { CharField, CopyButton };
    static props = { ...standardFieldProps };

    setup() {
        this.successText = _t("Copied");
    }

    get text() {
        const value = this.props.record.data[this.props.name];
        return value || value === 0 ? String(value) : "";
    }
}

registry.category("fields").add("emboux_copy", {
    ...charField,
    component: CopyField,
    displayName: _t("Value with Copy Button"),
    supportedTypes: ["char", "text", "integer"],
    extractProps: () => ({}),
});
