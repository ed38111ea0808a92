import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { Component, onWillDestroy, useEffect, useState } from "@odoo/owl";

const EVERY = 2000; // milliseconds between two looks
const PATIENCE = 60; // looks, then it says so and goes on more slowly

/** Reads the record again and again while something is under way: `<widget name="emboux_follow"/>`. */
export class FollowWidget extends Component {
    static template = "emboux_core.FollowWidget";
    static props = { ...standardWidgetProps };

    setup() {
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
        await this.props.record.load();
        this.state.looks++;
    }
}

registry.category("view_widgets").add("emboux_follow", { component: FollowWidget });
