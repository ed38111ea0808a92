"""Background work beside other work, where both mostly wait for the network or the disk."""

import threading


class Task(threading.Thread):
    """Begin ``call`` at once; ``wait`` for what it returns, or raise what it raised.

    ``must_end``: even if we are told to end meanwhile, as with what must not stop half-way.
    """

    def __init__(self, call, must_end=False):
        super().__init__(daemon=not must_end)
        self._call, self._result, self._error = call, None, None
        self.start()

    def run(self):
        try:
            self._result = self._call()
        except BaseException as error:  # also SystemExit, with which our commands fail
            self._error = error

    def wait(self):
        self.join()
        if self._error:
            raise self._error
        return self._result
