import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

/** Checks the DNS while the page stays; without it the form does the same with a new page. */
export class CheckRecords extends Interaction {
    static selector = ".o_emboux_check";
    dynamicContent = {
        "form[action$='/check']": { "t-on-submit.prevent": this.check },
        "form[action$='/check'] button": {
            "t-att-disabled": () => this.busy,
            "t-att-aria-busy": () => (this.busy ? "true" : undefined),
        },
        "form[action$='/check'] i": { "t-att-class": () => ({ "fa-spin": this.busy }) },
    };

    setup() {
        this.busy = false;
    }

    async check(ev) {
        if (this.busy) {
            return;
        }
        this.busy = true;
        this.updateContent();
        const form = ev.currentTarget;
        let page;
        try {
            const answer = await this.waitFor(
                fetch(form.action, { method: "POST", body: new FormData(form) })
            );
            if (!answer.ok) {
                throw new Error(answer.statusText);
            }
            const text = await this.waitFor(answer.text());
            page = new DOMParser().parseFromString(text, "text/html").querySelector(".o_emboux");
        } catch {
            page = null;
        }
        if (!page) {
            form.submit(); // its answer says what is wrong
            return;
        }
        const old = this.el.closest(".o_emboux");
        const fresh = document.importNode(page, true);
        const notice = fresh.querySelector(".alert[role=status]");
        old.replaceWith(fresh);
        this.services["public.interactions"].startInteractions(fresh);
        // who works by keyboard goes on where the answer stands
        notice?.setAttribute("tabindex", "-1");
        notice?.focus();
    }
}

registry.category("public.interactions").add("emboux_saas.check", CheckRecords);
