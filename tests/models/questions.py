"""Models and questions that the exact tests share."""

from pellucid import Contrast, Model
from pellucid.model.tiny import TinyConfig, TinyTransformer

IOI = Contrast(
    "When Mary and John went to the store, John gave a drink to",
    "When Mary and John went to the store, Mary gave a drink to",
    " Mary",
    " John",
)

VARIETIES = {
    "rms": TinyConfig(),
    "layer": TinyConfig(norm="layer"),
    "grouped": TinyConfig(num_key_value_heads=2, num_hidden_layers=3),
    "parallel": TinyConfig(parallel=True),
    "attention-only": TinyConfig(d_mlp=0, norm="none"),
}


def tiny_model(config: TinyConfig, seed: int = 0) -> Model:
    """A proved tiny model in float64."""
    return Model.build(TinyTransformer(config, seed=seed).eval())
