"""Trying wrong values on one public call."""

import warnings

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from pellucid import Model, PellucidError
from tests.hostile.entries import ENTRIES

RECORDS = {
    "Callback",
    "Progress",
    "Passes",
    "Refusal",
    "Trace",
    "Activations",
    "Model",
    "showing_progress",
}
"""What Pellucid hands out and nobody has to make, and a call without arguments."""


def dice() -> tuple[object, ...]:
    """The states of torch's and numpy's generators; Python's own is drawn from by beartype."""
    torch_state = torch.random.get_rng_state().numpy().tobytes()
    return np.random.get_state()[1].tobytes(), torch_state


def demand_refused(name: str, model: Model, *, values: int) -> None:
    """Each parameter of a public call gets ``values`` wrong values, and refuses each by name."""
    entry = ENTRIES[name]
    right = entry.right(model)

    def tried(parameter: str, value: object) -> None:
        before = dice()
        try:
            entry.call(**{**right, parameter: value})
        except (PellucidError, TypeCheckError) as error:  # where shapes are checked meanwhile
            told = str(error)
        else:
            raise AssertionError(f"{name} took {parameter}={value!r}")
        assert dice() == before, f"{name} drew a number and refused {parameter}={value!r}"
        named = parameter.rstrip("s") in told.lower()
        found = type(value).__name__ in told or repr(value)[:8] in told or str(value) in told
        assert named or found, f"{name} refused {parameter}={value!r} with {told!r}"

    @settings(
        max_examples=values,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(0)
    @given(st.data())
    def every_parameter(data: st.DataObject) -> None:
        for parameter, wrong in entry.wrong.items():
            tried(parameter, data.draw(wrong))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every_parameter()
