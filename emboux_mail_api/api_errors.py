# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What an operation answers instead of its result: ``{"detail": ...}`` and nothing else."""

import json

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

NOT_FOUND = "Not found"
MASTER_REQUIRED = "Master token required"
READ_ONLY = "This key may only read"


class ApiError(HTTPException):
    """An answer other than success.

    ``detail`` is one sentence for a person, or for 422 a list of ``{"field", "message"}``; ``kind``
    a word for programs, beside it, where an operation has such.
    """

    def __init__(self, code, detail, headers=None, kind=None):
        super().__init__(description=detail if isinstance(detail, str) else None)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.kind = kind

    def get_response(self, environ=None, scope=None):
        return Response(
            json.dumps({"detail": self.detail} | ({"code": self.kind} if self.kind else {})),
            status=self.code,
            headers=self.headers,
            content_type="application/json",
        )


def not_found():
    """The same response for what does not exist and for what is somebody else's."""
    return ApiError(404, NOT_FOUND)


def invalid(field, message):
    return ApiError(422, [{"field": field, "message": message}])


def too_many(sentence, seconds):
    return ApiError(429, sentence, {"Retry-After": str(max(1, round(seconds)))})
