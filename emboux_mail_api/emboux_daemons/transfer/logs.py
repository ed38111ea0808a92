# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""A log file that is written to, rotated and cut off while it is read.

A position names the file by its inode and by a digest of its first line, because inodes are used
again.  When the path leads to another file, the old one is looked for beside it and read to its
end first.

Not ``pygtail``, which keeps its position in a file, and so not in one transaction with what was
counted, and knows a log by its inode alone.
"""

import gzip
import hashlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

_logger = logging.getLogger(__name__)

LARGEST_LINE = 64 * 1024
AT_ONCE = 4 * 1024 * 1024  # bytes
QUIET = 5.0  # seconds; until then whoever wrote a log that was rotated may still write to it


@dataclass(frozen=True, slots=True)
class Position:
    inode: int
    head: str
    offset: int


#: Of a log that is not there yet: what it will hold is all new.
NOTHING_YET = Position(0, "", 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """``lines`` from a log, where to go on, and whether there is more already."""

    lines: list
    position: Position
    more: bool = False


class Log:
    """The log at ``path``."""

    def __init__(self, path):
        self.path = Path(path)

    def start(self):
        """The position for a first start: what is there was before, and is nobody's month."""
        try:
            with self.path.open("rb") as file:
                return Position(_inode(file), _head(file), _end_of_lines(file))
        except FileNotFoundError:
            return NOTHING_YET

    def next_piece(self, position, at_once=AT_ONCE):
        """The next ``Piece`` behind the position, None while there is nothing.

        Only whole lines are read.
        """
        try:
            with self.path.open("rb") as file:
                current = Position(_inode(file), _head(file), 0)
                if _is_same(position, current):
                    return self._from(file, position, current.head, at_once)
        except FileNotFoundError:
            current = None  # between two files
        if position != NOTHING_YET and (piece := self._rotated(position, at_once)):
            return piece if piece.lines or piece.position != position else None
        return Piece([], current, True) if current else None

    def _from(self, file, position, head, at_once):
        offset = position.offset
        file.seek(offset)
        data = file.read(at_once)
        if not data and os.fstat(file.fileno()).st_size < offset and not _is_packed(self.path):
            _logger.warning("%s was cut off; reading it from its beginning", self.path)
            file.seek(0)
            offset, data = 0, file.read(at_once)
        end = data.rfind(b"\n") + 1
        if not end and len(data) >= LARGEST_LINE:
            end = len(data)  # no line is that long; it is passed over
        following = Position(position.inode, head, offset + end)
        if following == position:
            return None
        data = data[:end]
        if not _begins_a_line(file, offset):
            data = data.partition(b"\n")[2]  # the rest of what was passed over
        lines = data.decode("utf-8", "replace").split("\n")
        if not lines[-1]:
            lines.pop()  # behind the last line's end
        return Piece([line for line in lines if len(line) < LARGEST_LINE], following, end > 0)

    def _rotated(self, position, at_once):
        """The rest of the file that the path led to before; None when that is read, or gone."""
        for path in sorted(self.path.parent.glob(f"{self.path.name}[.-]*")):
            packed = _is_packed(path)
            try:
                with gzip.open(path, "rb") if packed else path.open("rb") as file:
                    # a packed file is another one, but begins with the same line
                    inode = position.inode if packed else _inode(file)
                    if not position.head or not _is_same(position, Position(inode, _head(file), 0)):
                        continue
                    piece = self._from(file, position, position.head, at_once)
                    if piece is None and not packed and _is_warm(file):
                        return Piece([], position)
                    return piece
            except (OSError, EOFError) as error:
                _logger.warning("%s cannot be read: %s", path, error)
        _logger.warning("what %s was before is gone; lines of it may be missing", self.path)
        return None


def _begins_a_line(file, offset):
    if not offset:
        return True
    file.seek(offset - 1)
    return file.read(1) == b"\n"


def _is_packed(path):
    return path.suffix == ".gz"


def _is_warm(file):
    return time.time() - os.fstat(file.fileno()).st_mtime < QUIET


def _inode(file):
    return os.fstat(file.fileno()).st_ino


def _head(file):
    """A digest of the first line; empty while there is none."""
    file.seek(0)
    first = file.readline(LARGEST_LINE)
    return hashlib.sha256(first).hexdigest()[:16] if first.endswith(b"\n") else ""


def _is_same(position, current):
    return position.inode == current.inode and position.head in ("", current.head)


def _end_of_lines(file):
    start = max(0, file.seek(0, 2) - LARGEST_LINE)
    file.seek(start)
    return start + file.read().rfind(b"\n") + 1
