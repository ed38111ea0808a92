import { onWillStart, useState } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { listView } from "@web/views/list/list_view";
import { ListRenderer } from "@web/views/list/list_renderer";

/** The list says above itself when nobody does what it asks for. */
export class HeldListRenderer extends ListRenderer {
    static template = "emboux_mail_api.HeldListRenderer";

    setup() {
        super.setup();
        this.agent = useState({ warning: "" });
        const orm = useService("orm");
        onWillStart(async () => {
            this.agent.warning = await orm.call("emboux.queue.agent", "warning", []);
        });
    }
}

registry.category("views").add("emboux_held_list", { ...listView, Renderer: HeldListRenderer });
