# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Following aliases: each address once, without its tag, and not for ever."""

from ..alias_graph import MAX_DEPTH, TooDeep, follow, without_tag
from .dns_server import PlainTest


class TestAliasGraph(PlainTest):
    def walk(self, graph, *addresses):
        return list(follow(addresses, lambda level: {
            goal for address in level for goal in graph.get(address, ())}))

    def test_each_level_follows_the_one_before(self):
        graph = {"a@x": ["b@x", "c@y"], "b@x": ["c@y", "d@x"], "c@y": ["d@x"]}
        self.assertEqual(self.walk(graph, "a@x"), [{"a@x"}, {"b@x", "c@y"}, {"d@x"}])
        self.assertEqual(self.walk({}, "a@x", "b@x"), [{"a@x", "b@x"}])

    def test_a_circle_ends(self):
        graph = {"a@x": ["b@x"], "b@x": ["a@x", "c@x"]}
        self.assertEqual(self.walk(graph, "a@x"), [{"a@x"}, {"b@x"}, {"c@x"}])
        self.assertEqual(self.walk({"a@x": ["a+more@x"]}, "a+tag@x"), [{"a@x"}])

    def test_what_is_too_deep_is_shown_to_its_last_level(self):
        graph = {f"a{n}@x": [f"a{n + 1}@x"] for n in range(100)}
        seen = []
        with self.assertRaises(TooDeep):
            for level in follow(["a0@x"], lambda level: graph[next(iter(level))]):
                seen.extend(level)
        self.assertEqual(seen, [f"a{n}@x" for n in range(MAX_DEPTH + 1)])
        del graph[f"a{MAX_DEPTH - 1}@x"]
        self.assertEqual(len(self.walk(graph, "a0@x")), MAX_DEPTH)

    def test_a_tag_is_taken_off(self):
        for address, plain in (("a+b+c@x", "a@x"), ("a@x", "a@x"), ("@x", "@x"),
                               ('"a@b"@x', '"a@b"@x')):
            self.assertEqual(without_tag(address), plain)
