import { loadBundle } from "@web/core/assets";
import { cookie } from "@web/core/browser/cookie";
import { getColor, getCustomColor } from "@web/core/colors/colors";
import { deserializeDate, formatDate } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { Component, onWillStart, useEffect, useRef } from "@odoo/owl";

const SCHEME = cookie.get("color_scheme");
const GRID = getCustomColor(SCHEME, "#d8dadd", "#3C3E4B");
const TEXT = getCustomColor(SCHEME, "#111827", "#E4E4E4");
const DANGER = getCustomColor(SCHEME, "#d44c59", "#ff5757");

/**
 * Bars of the recipients sent to by day, with the day's limit as a line.
 *
 * The field holds {days: ["2026-11-25"], sent: [12], bounces: [0], complaints: [0], limit: 500};
 * a limit of 0 is none.
 */
export class HistoryField extends Component {
    static template = "emboux_mail_api.HistoryField";
    static props = { ...standardFieldProps };

    setup() {
        this.canvas = useRef("canvas");
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useEffect(
            (data) => {
                const chart = new Chart(this.canvas.el, this.config(JSON.parse(data)));
                return () => chart.destroy();
            },
            () => [JSON.stringify(this.data)],
        );
    }

    get data() {
        return this.props.record.data[this.props.name] || { days: [], sent: [] };
    }

    get summary() {
        return _t("Recipients by day, %(days)s days, %(sent)s in all", {
            days: this.data.days.length,
            sent: this.data.sent.reduce((sum, count) => sum + count, 0),
        });
    }

    config(data) {
        const bars = (label, values, color) => ({ label, data: values, backgroundColor: color });
        const datasets = [bars(_t("Sent"), data.sent, getColor(3, SCHEME, "odoo"))];
        if (data.bounces?.some(Boolean)) {
            datasets.push(bars(_t("Permanent bounces"), data.bounces, DANGER));
        }
        if (data.complaints?.some(Boolean)) {
            datasets.push(bars(_t("Complaints"), data.complaints, getColor(5, SCHEME, "odoo")));
        }
        if (data.limit) {
            datasets.push({
                type: "line",
                label: _t("Today's limit"),
                data: data.days.map(() => data.limit),
                borderColor: DANGER,
                borderDash: [6, 4],
                borderWidth: 1.5,
                pointRadius: 0,
            });
        }
        const axis = { grid: { color: GRID }, ticks: { color: TEXT, precision: 0 } };
        return {
            type: "bar",
            data: { labels: data.days.map((day) => formatDate(deserializeDate(day))), datasets },
            options: {
                animation: false,
                maintainAspectRatio: false,
                interaction: { mode: "index", intersect: false },
                plugins: { legend: { position: "bottom", labels: { color: TEXT } } },
                scales: { x: { ...axis, grid: { display: false } }, y: { ...axis, min: 0 } },
            },
        };
    }
}

registry.category("fields").add("emboux_history", {
    component: HistoryField,
    displayName: _t("Sending History"),
    supportedTypes: ["json"],
});
