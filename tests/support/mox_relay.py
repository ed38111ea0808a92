"""Between a client and a real mox: notes the calls, adds up how long mox works on them, and goes
wrong as a test orders."""

import contextlib
import http.client
import threading
import time
from urllib.parse import urlsplit

from support.plain_core.tests.mox import faults
from support.plain_core.tests.mox.front import Front

_ITS_OWN = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
_WAIT_S = 60


class MoxRelay(Front):
    """``server`` is the mox.  ``seconds``: in which mox had calls to answer."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.password, self.generation = server.password, server.generation
        self._lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Count anew."""
        self.calls.clear()
        self.seconds, self._open, self._since = 0.0, 0, 0.0

    def forget_sessions(self) -> None:
        self.server.restart()

    def serve(self, handler, path, body):
        function = path.rpartition("/")[2]
        self.note_call(function, body)
        if self.faults.before(handler, function):
            return
        try:
            with self._counted():
                answer = self._ask(handler, body)
        except (OSError, http.client.HTTPException):
            faults.reset(handler)  # as mox did
            return
        if self.faults.take("cut_after", function)[0]:
            faults.reset(handler)
        else:
            handler.reply(*answer)

    def _ask(self, handler, body):
        mox = urlsplit(self.server.url)
        connection = http.client.HTTPConnection(mox.hostname, mox.port, timeout=_WAIT_S)
        with contextlib.closing(connection):
            headers = {name: value for name, value in handler.headers.items()
                       if name.lower() not in ("host", "connection", "content-length")}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders()
                    if name.lower() not in _ITS_OWN]
            kind = {"Content-Type": answer.headers.get("Content-Type", "")}
            return answer.status, kind, answer.read(), kept

    @contextlib.contextmanager
    def _counted(self):
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, step):
        """One more call that mox has to answer, or one less."""
        now = time.perf_counter()
        with self._lock:
            if self._open:
                self.seconds += now - self._since
            self._open, self._since = self._open + step, now
