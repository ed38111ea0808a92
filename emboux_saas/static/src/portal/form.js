import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

/** A form is sent once, and leads to what is wrong in it. */
export class PortalForm extends Interaction {
    static selector = ".o_emboux_form";
    dynamicContent = {
        _root: { "t-on-submit": this.onSubmit },
        _window: { "t-on-pageshow": () => (this.sent = false) }, // back again by the browser
        "button[type=submit]": { "t-att-disabled": () => this.sent },
    };

    setup() {
        this.sent = false;
    }

    start() {
        const wrong = this.el.querySelector(".is-invalid") || document.getElementById("o_emboux_errors");
        wrong?.focus();
    }

    onSubmit(ev) {
        if (this.sent) {
            ev.preventDefault();
        }
        this.sent = true;
    }
}

registry.category("public.interactions").add("emboux_saas.form", PortalForm);
