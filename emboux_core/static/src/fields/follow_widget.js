import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { Component, onWillDestroy, useEffect, useState } from "@odoo/owl";

const EVERY = 2000; // milliseconds between two looks
const PATIENCE = 60; // looks, then it says so and goes on more slowly

/**
 * Reads the record again and again until one of its fields is another:
 * `<widget name="emboux_follow" options="{'field': 'test_state'}"/>`.
 */
export class FollowWidget extends Component {
    static template = "emboux_core.FollowWidget";
    static props = { ...standardWidgetProps, field: String };

    setup() {
        this.bus = this.env.bus; // the widget may be gone when the answer comes
        this.state = useState({ looks: 0 });
        useEffect(() => {
            this.timer = setTimeout(() => this.look(), this.late ? 5 * EVERY : EVERY);
            return () => clearTimeout(this.timer);
        }, () => [this.state.looks]);
        onWillDestroy(() => clearTimeout(this.timer));
    }

    get late() {
        return this.state.looks >= PATIENCE;
    }

    async look() {
        const { record, field } = this.props;
        const before = record.data[field];
        await record.load();
        if (record.data[field] !== before) {
            const { resModel: model, resId: id } = record;
            this.bus.trigger("MAIL:RELOAD-THREAD", { model, id }); // the chatter
        }
        this.state.looks++;
    }
}

registry.category("view_widgets").add("emboux_follow", {
    component: FollowWidget,
    extractProps: ({ options }) => ({ field: options.field }),
});
