"""Every exception that Pellucid raises on purpose.

    PellucidError
    ├── ModelError                       a model could not be opened
    │   ├── ModelNotFoundError           nothing under that name or path
    │   ├── CorruptModelError            files are there, but cannot be read whole, or hold NaN
    │   ├── MissingDependencyError       an optional package is needed for this
    │   └── UnsupportedArchitectureError the parts do not add up to the residual stream
    ├── TaskError (also ValueError)      the question asked is not well posed
    │   ├── ArgumentError (also TypeError) an argument is not of the kind that it should be
    │   ├── TokenError                   an answer, foil or prompt is not the tokens it should be
    │   ├── AlignmentError               the two prompts do not match position by position
    │   ├── MismatchError                what was made before is of something else
    │   ├── CorruptionError              no valid corrupted prompt was found
    │   └── ContextLengthError           the prompt is longer than the model can read
    ├── HookError                        a hook of somebody else's cannot be taken into account
    ├── EditError (also ValueError)      an edit names a site, head or position that is not there
    ├── DictionaryError (also ValueError) a dictionary is not as it should be, or not for this place
    ├── BudgetError                      the passes allowed are not enough for what was asked
    ├── NonFiniteError                   the model produced NaN or infinity
    ├── BehaviourError                   the model does not prefer the answer: nothing to explain
    ├── FigureError (also ValueError)    what was given cannot be drawn, or not written there
    └── ResultFileError                  a saved result cannot be read or written

Each message says what was wrong, what was found, and what to do next. What a program would have to
read out of it stands in attributes too (``BudgetError.needed``), None or empty where it is not
known. They stay with the error when it is copied or pickled.
"""

from collections.abc import Iterable
from copy import copy
from difflib import get_close_matches
from typing import Any, Self, TypeAlias

Difference: TypeAlias = tuple[str, str, str]
"""In what two things differ: its name, what was found, what was expected."""


class PellucidError(Exception):
    """Base of every error that Pellucid raises on purpose.

    Keywords become attributes: those that the class, or one above it, declares.
    """

    finished: object = None
    """Of a ``study``, the study of the questions that were answered before it, if there are any."""

    def __init__(self, message: str = "", **data: Any) -> None:
        super().__init__(message)
        undeclared = set(data) - set(self.declared())
        if undeclared:
            raise TypeError(f"{type(self).__name__} does not declare {', '.join(undeclared)}")
        self.__dict__.update(data)

    @classmethod
    def declared(cls) -> tuple[str, ...]:
        """Names of the attributes that an error of this kind may carry."""
        return tuple(
            name
            for kind in reversed(cls.__mro__)
            if issubclass(kind, PellucidError)
            for name in vars(kind).get("__annotations__", {})
        )

    @property
    def data(self) -> dict[str, Any]:
        """What this error carries, by name."""
        return {name: getattr(self, name) for name in self.declared()}

    def about(self, what: str) -> Self:
        """This error with ``what`` and a colon before its text; its data is kept."""
        return self._saying(f"{what}: {self}")

    def adding(self, more: str) -> Self:
        """This error with ``more`` behind its text; its data is kept."""
        return self._saying(f"{self} {more}")

    def after(self, finished: object) -> Self:
        """This error with what was done before it."""
        other = copy(self)
        other.__dict__["finished"] = finished
        return other

    def _saying(self, text: str) -> Self:
        other = copy(self)
        other.args = (text,)
        return other


class ModelError(PellucidError):
    """A model could not be opened."""


class ModelNotFoundError(ModelError):
    """Nothing was found under the name or path that was given."""

    name: str | None = None
    """The name or path."""


class CorruptModelError(ModelError):
    """The model's files are there but cannot be read whole, or hold values that are not finite."""


class MissingDependencyError(ModelError):
    """An optional package is needed for what was asked."""

    package: str | None = None
    """What to install."""


class UnsupportedArchitectureError(ModelError):
    """The model's parts do not add up to its residual stream; names the layer and the sum."""

    layer: int | None = None
    """Where it was found, counted from 0."""
    error: float | None = None
    """How far a sum or an output is off, as the text says relative to what."""


class HookError(PellucidError):
    """A hook or forward that others put on the model does what cannot be taken into account."""

    hooks: tuple[str, ...] = ()
    """Each of them, in words."""


class TaskError(PellucidError, ValueError):
    """The question asked is not well posed."""


class ArgumentError(TaskError, TypeError):
    """An argument is not of the kind that it should be: bytes for text, True for a number."""

    argument: str | None = None
    """Its name."""


class TokenError(TaskError):
    """An answer, foil or prompt is not the tokens that it should be."""

    pieces: tuple[str, ...] = ()
    """The tokens that the text is."""
    nearest: tuple[str, ...] = ()
    """Single tokens that are spelled like it."""


class AlignmentError(TaskError):
    """The clean and the corrupted prompt do not match position by position."""

    lengths: tuple[int, int] | None = None
    """Tokens of the two prompts."""
    position: int | None = None
    """The first at which they part."""


class MismatchError(TaskError):
    """What was made before and is handed in is of other weights, or of another question."""

    differences: tuple[Difference, ...] = ()
    """Everything in which they differ."""


class CorruptionError(TaskError):
    """No valid corrupted prompt was found."""

    tried: tuple[str, ...] = ()
    """Corrupted prompts that were judged, the largest fall of the metric first."""


class ContextLengthError(TaskError):
    """The prompt is longer than the model can read."""

    length: int | None = None
    """Positions that it takes."""
    limit: int | None = None
    """Positions that the model reads."""


class EditError(PellucidError, ValueError):
    """An edit names a site, head or position that is not there."""

    unknown: tuple[str, ...] = ()
    """The names that are not there."""
    nearest: tuple[str, ...] = ()
    """Names that are there and are spelled like the first of them."""


class DictionaryError(PellucidError, ValueError):
    """A sparse dictionary cannot be read or written, or is not made for where it is put."""

    found: tuple[str, ...] = ()
    """What was there: names of tensors, say."""
    expected: tuple[str, ...] = ()
    """What should have been."""


class BudgetError(PellucidError):
    """The passes allowed are not enough for what was asked."""

    budget: int | None = None
    """Forwards that were allowed."""
    needed: int | None = None
    """The smallest budget with which this step would have gone on."""


class NonFiniteError(PellucidError):
    """The model produced NaN or infinity."""


class BehaviourError(PellucidError):
    """The model does not prefer the answer to the foil, so there is nothing to explain."""

    metric: float | None = None
    """The metric on the clean prompt."""


class FigureError(PellucidError, ValueError):
    """What was given cannot be drawn, or the figure cannot be written there."""


class ResultFileError(PellucidError):
    """A saved result cannot be read or written."""


def unknown_names(unknown: Iterable[object], known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """``unknown`` and ``nearest`` of an ``EditError``: up to three known names like the first."""
    names = tuple(map(str, unknown))
    near = get_close_matches(names[0], list(known), n=3, cutoff=0.5) if names else []
    return {"unknown": names, "nearest": tuple(near)}
