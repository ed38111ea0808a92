"""What a backup or a restore says while it runs, what is missing, and how it ends."""

import sys
import time

SECONDS = 5.0  # between two lines of progress


class Report:
    """``problems`` are what is missing, each with its name; ``notes`` what one should know."""

    def __init__(self):
        self.problems, self.notes = [], []
        self._said = time.monotonic()

    def step(self, text):
        print(text, flush=True)
        self._said = time.monotonic()

    def progress(self, what, done, total=None):
        """Now and then a line."""
        if time.monotonic() - self._said > SECONDS:
            self.step(f"  {what}: {done}" + (f" of {total}" if total else ""))

    def problem(self, text):
        self.problems.append(text)
        print(f"  MISSING: {text}", flush=True)

    def note(self, text):
        self.notes.append(text)
        print(f"  {text}", flush=True)


def ending(main, headline):
    """Run ``main`` and end the program: 0, all is there; 1, done, but something is missing, it was
    named; 2, not done, and why."""
    try:
        sys.exit(1 if main().problems else 0)
    except OSError as error:
        why = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    except SystemExit as error:
        if not isinstance(error.code, str):
            raise
        why = error.code
    print(f"{headline}\n{why}", file=sys.stderr)
    sys.exit(2)
