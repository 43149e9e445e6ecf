"""Every exception that Pellucid raises on purpose.

    PellucidError
    ├── ModelError                       a model could not be opened
    │   ├── ModelNotFoundError           nothing under that name or path
    │   ├── CorruptModelError            files are there, but cannot be read whole, or hold NaN
    │   ├── MissingDependencyError       an optional package is needed for this
    │   └── UnsupportedArchitectureError the parts do not add up to the residual stream
    ├── TaskError (also ValueError)      the question asked is not well posed
    │   ├── TokenError                   an answer, foil or prompt is not the tokens it should be
    │   ├── AlignmentError               the two prompts do not match position by position
    │   ├── CorruptionError              no valid corrupted prompt was found
    │   └── ContextLengthError           the prompt is longer than the model can read
    ├── EditError (also ValueError)      an edit names a site, head or position that is not there
    ├── BudgetError                      the passes allowed are not enough for what was asked
    ├── NonFiniteError                   the model produced NaN or infinity
    ├── BehaviourError                   the model does not prefer the answer: nothing to explain
    ├── FigureError (also ValueError)    what was given cannot be drawn, or not written there
    └── ResultFileError                  a saved result cannot be read or written

Each message says what was wrong, what was found, and what to do next.
"""


class PellucidError(Exception):
    """Base of every error that Pellucid raises on purpose."""


class ModelError(PellucidError):
    """A model could not be opened."""


class ModelNotFoundError(ModelError):
    """Nothing was found under the name or path that was given."""


class CorruptModelError(ModelError):
    """The model's files are there but cannot be read whole, or hold values that are not finite."""


class MissingDependencyError(ModelError):
    """An optional package is needed for what was asked."""


class UnsupportedArchitectureError(ModelError):
    """The model's parts do not add up to its residual stream; names the layer and the sum."""


class TaskError(PellucidError, ValueError):
    """The question asked is not well posed."""


class TokenError(TaskError):
    """An answer, foil or prompt is not the tokens that it should be."""


class AlignmentError(TaskError):
    """The clean and the corrupted prompt do not match position by position."""


class CorruptionError(TaskError):
    """No valid corrupted prompt was found."""


class ContextLengthError(TaskError):
    """The prompt is longer than the model can read."""


class EditError(PellucidError, ValueError):
    """An edit names a site, head or position that is not there."""


class BudgetError(PellucidError):
    """The passes allowed are not enough for what was asked."""


class NonFiniteError(PellucidError):
    """The model produced NaN or infinity."""


class BehaviourError(PellucidError):
    """The model does not prefer the answer to the foil, so there is nothing to explain."""


class FigureError(PellucidError, ValueError):
    """What was given cannot be drawn, or the figure cannot be written there."""


class ResultFileError(PellucidError):
    """A saved result cannot be read or written."""
