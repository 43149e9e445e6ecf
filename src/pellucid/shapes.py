"""The one axis vocabulary, and the array types written with it.

row        one prompt as the model runs it: a contrast is one row, or two when its answer or
           foil has several tokens
example    one contrast
variant    one edited version of the same rows, carried in the batch
pos        token position;  query, key: positions seen from inside attention
layer head kv_head             where a component sits
d_model d_head d_mlp d_vocab   widths
node unit                      components, and the columns of an edit mask
"""

from typing import TypeAlias

from jaxtyping import Bool, Float, Int
from torch import Tensor

Tokens: TypeAlias = Int[Tensor, "row pos"]
Logits: TypeAlias = Float[Tensor, "*variant row read d_vocab"]
Stream: TypeAlias = Float[Tensor, "row pos d_model"]
HeadOutput: TypeAlias = Float[Tensor, "row pos head d_head"]
PerExample: TypeAlias = Float[Tensor, "*variant example"]
Mask: TypeAlias = Bool[Tensor, "variant unit"]
