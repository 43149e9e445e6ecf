"""A saved result that was chosen on the page, as the document that the page draws."""

from base64 import b64decode
from typing import Any

from pellucid.app.jobs import FieldError
from pellucid.app.replies import blaming
from pellucid.app.requests import Asked
from pellucid.model.model import Model
from pellucid.report.document import document
from pellucid.results.result import Result

UNFIT = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""What sentences and tables raise over fields that are each right, and do not fit together."""


def _opened(_: Model, asked: Asked) -> dict[str, Any]:
    """The result in a file, of whatever kind and from whatever model.

    **Raises** ``FieldError`` for one that is damaged, newer, or holds no result.
    """
    try:
        tensors = b64decode(asked.tensors, validate=True)
    except ValueError as error:
        raise FieldError("tensors", f"The tensors are not base64: {error}.") from error
    with blaming("file"):
        found: Result = Result.from_json(asked.file, tensors=tensors)
    try:
        return document(found)
    except UNFIT as error:
        kind = type(found).__name__
        raise FieldError("file", f"This {kind} does not fit together: {error!r}.") from error
