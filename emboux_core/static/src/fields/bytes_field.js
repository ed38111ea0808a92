import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { Component } from "@odoo/owl";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** 1536 -> "1.5 kB", in the user's language; steps of 1024, as quotas are counted. */
export function formatBytes(bytes) {
    let value = bytes || 0;
    let step = 0;
    while (value >= 1024 && step < UNITS.length - 1) {
        value /= 1024;
        step++;
    }
    return new Intl.NumberFormat(user.lang.replace("_", "-").replace("@", "-"), {
        style: "unit",
        unit: UNITS[step],
        unitDisplay: step ? "short" : "long",
        maximumFractionDigits: value < 10 && step ? 1 : 0,
    }).format(value);
}

export class BytesField extends Component {
    static template = "emboux_core.BytesField";
    static props = { ...standardFieldProps };

    get text() {
        return formatBytes(this.props.record.data[this.props.name]);
    }
}

registry.category("fields").add("emboux_bytes", {
    component: BytesField,
    displayName: _t("Bytes"),
    supportedTypes: ["integer"],
});
