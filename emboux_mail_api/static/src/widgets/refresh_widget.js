import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";
import { Component, useEffect, xml } from "@odoo/owl";

const PAUSE = 2000; // milliseconds

/** Reads the record again while a field has a value, so that people see when something is done. */
export class RefreshWidget extends Component {
    static template = xml`<span/>`;
    static props = { ...standardWidgetProps, field: String, value: String };

    setup() {
        useEffect(
            (waits) => {
                if (!waits) {
                    return;
                }
                const timer = setInterval(() => this.read(), PAUSE);
                return () => clearInterval(timer);
            },
            () => [this.props.record.data[this.props.field] === this.props.value],
        );
    }

    async read() {
        // what somebody is typing must not be lost
        if (this.props.record.resId && !(await this.props.record.isDirty())) {
            await this.props.record.load();
        }
    }
}

registry.category("view_widgets").add("emboux_refresh", {
    component: RefreshWidget,
    extractProps: ({ attrs }) => ({ field: attrs.field, value: attrs.value }),
});
