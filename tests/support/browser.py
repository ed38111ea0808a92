"""The real web client in Debian's Chromium: runs tours and takes pictures."""

import json

from playwright.sync_api import sync_playwright

# Chromium must not look for updates, and as root it has no sandbox of its own.
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-quic", "--no-first-run"]


class Browser:
    def __init__(self, status, pictures):
        self._url, self._pictures = status["odoo"]["url"], pictures
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=FLAGS
        )
        self.page = self._chromium.new_page(viewport={"width": 1360, "height": 1000})
        self.errors = []
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._said = []
        self._asked = set()  # requests that wait for their answer
        self.page.on("request", self._ask)
        for event in ("requestfinished", "requestfailed"):
            self.page.on(event, lambda request: self._asked.discard(request))

    def _ask(self, request):
        if request.resource_type in ("xhr", "fetch"):
            self._asked.add(request)

    def _settle(self):
        """Until the page has asked for nothing for a moment.

        A click on what is shown first is lost where the web client loads the view once more.
        """
        quiet = 0
        for _try in range(200):
            quiet = 0 if self._asked else quiet + 1
            if quiet == 6:
                return
            self.page.wait_for_timeout(50)

    def _listen(self, message):
        self._said.append(message.text)
        if message.type == "error":
            self.errors.append(message.text)

    def close(self):
        self._chromium.close()
        self._playwright.stop()

    def log_in(self, login, password):
        self.page.goto(f"{self._url}/web/login")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", password)
        self.page.click(".oe_login_form button[type=submit]")
        self.page.wait_for_selector(".o_main_navbar", timeout=120_000)

    def tour(self, name, path, seconds=60, **data):
        """Run one of the add-ons' tours; fails with what the browser said.

        ``data``: what the tour reads of ``window.embouxTour``.
        """
        self._said.clear()
        self.errors.clear()
        self.page.goto(f"{self._url}{path}?debug=tests")
        self._settle()
        self.page.wait_for_function(
            f"window.odoo && odoo.isTourReady && odoo.isTourReady({json.dumps(name)})",
            timeout=120_000,
        )
        options = json.dumps({"stepDelay": 0, "keepWatchBrowser": False, "debug": False,
                              "startUrl": path, "delayToCheckUndeterminisms": 0})
        self.page.evaluate(f"window.embouxTour = {json.dumps(data)}")
        self.page.evaluate(f"odoo.startTour({json.dumps(name)}, {options}), true")
        for _ in range(seconds * 10):
            if any("tour succeeded" in text for text in self._said):
                break
            if self.errors:
                break
            self.page.wait_for_timeout(100)
        if self.errors or not any("tour succeeded" in text for text in self._said):
            self.picture(f"failed_{name}")
            said = "\n".join([*self._said[-15:], *self.errors])
            raise AssertionError(f"The tour {name} did not succeed (see {self._pictures}):\n{said}")

    def open(self, path, wait_for):
        self.errors.clear()
        self.page.goto(f"{self._url}{path}")
        self.page.wait_for_selector(wait_for, timeout=60_000)

    def assert_no_danger(self):
        """No notification says that something went wrong, such as a server that is away: the page
        below it looks well all the same."""
        said = self.page.locator(".o_notification:has(.bg-danger)").all_inner_texts()
        assert not said, said

    def picture(self, name):
        self._pictures.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._pictures / f"{name}.png")
