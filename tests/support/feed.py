"""The feed of changes, read by somebody who remembers where they were."""

from .api_client import done


class Feed:
    """Reads on from where it was."""

    def __init__(self, api, key="self"):
        self.api, self.path, self.since = api, f"/api-keys/{key}/usage", None

    def read(self, limit=200):
        """All that is new, page by page."""
        items = []
        while True:
            params = {"limit": limit} | ({"since": self.since} if self.since else {})
            page = done(self.api.get(self.path, params=params), 200)
            assert set(page) == {"items", "next", "more"} and page["next"]
            assert len(page["items"]) <= limit
            items += page["items"]
            self.since = page["next"]
            if not page["more"]:
                return items

    def names(self, **kwargs):
        return [(item["kind"], item["name"], item["gone"]) for item in self.read(**kwargs)]
