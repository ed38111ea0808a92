import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

/** A button that copies the text beside it, and says so to everybody. */
export class CopyText extends Interaction {
    static selector = ".o_emboux_copy";
    dynamicContent = {
        button: { "t-on-click": this.copy },
        "button span": { "t-out": () => (this.copied ? _t("Copied") : _t("Copy")) },
        "button i": {
            "t-att-class": () => ({ "fa-check": this.copied, "fa-copy": !this.copied }),
        },
        "[role=status]": { "t-out": () => this.said },
    };

    setup() {
        this.copied = false;
        this.said = "";
    }

    async copy() {
        const text = this.el.querySelector("button").dataset.text;
        try {
            await this.waitFor(browser.navigator.clipboard.writeText(text));
        } catch {
            // no clipboard without https or permission: select the text, so that it can be copied
            getSelection().selectAllChildren(this.el.querySelector("code"));
            this.say(_t("Press Ctrl+C to copy."), false);
            return;
        }
        this.say(_t("Copied"), true);
    }

    say(text, copied) {
        this.copied = copied;
        this.said = text;
        this.updateContent();
        this.waitForTimeout(() => {
            this.copied = false;
            this.said = "";
        }, 3000);
    }
}

registry.category("public.interactions").add("emboux_saas.copy", CopyText);
