# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What an index of trigrams is asked for, of the text that somebody looks for."""

import re

from odoo.tools import escape_psql

#: So many pieces are asked for.  In each partition a piece costs the more, the more rows have it,
#: and beside the rarest ones the others hardly leave out any row.
_MOST = 4
# Three letters are a trigram, and two at the end of a word.  Those of the one or two letters at
# the beginning of a word are in too many rows.
_PIECE = re.compile(r"(?=([^\W_]{3}|[^\W_]{2}[\W_]))")


def pattern(typed, sample):
    """A pattern (``LIKE``) that fits wherever ``typed`` is in, and hardly anywhere else.

    :param sample: some of the texts that are searched, in lower case.
    """
    usual = sample.count("\n") // 2  # what more than half have leaves out too few rows
    found = sorted((sample.count(piece[1].lower()), piece.start())
                   for piece in _PIECE.finditer(typed))[:_MOST]
    starts = [start for count, start in found if count <= usual] or [start for _, start in found]
    spans = []
    for start in sorted(starts):
        if spans and start < spans[-1][1]:
            spans[-1][1] = start + 3
        else:
            spans.append([start, start + 3])
    kept = "%".join(escape_psql(typed[start:end]) for start, end in spans)
    return f"%{kept or escape_psql(typed)}%"
