"""What a probe stands beside: labels shuffled, words counted, a model of random weights."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid.model.model import Model
from pellucid.passes import uncounted
from pellucid.probing.fit import Labels, Matrix, best_coordinates, fit_probe
from pellucid.probing.split import Split
from pellucid.stats.ranking import auroc


def shuffled_auroc(
    values: Matrix, labels: Labels, groups: NDArray[np.int64], parts: Split, k: int, seed: int
) -> float:
    """AUROC on the test part of a probe that learned labels that were shuffled.

    Labels of whole groups change places where each group has one label, else those of texts.
    """
    rng, train = np.random.default_rng(seed), parts.train
    own = labels[train]
    numbers, first = np.unique(groups[train], return_index=True)
    one_each = all(len(np.unique(own[groups[train] == g])) == 1 for g in numbers)
    drawn = rng.permutation(own)
    if one_each:
        of_group = dict(zip(numbers, rng.permutation(own[first]), strict=True))
        drawn = np.array([of_group[g] for g in groups[train]])
    if drawn.all() or not drawn.any():
        return float("nan")
    found = fit_probe(values[train], drawn, best_coordinates(values[train], drawn, k))
    return auroc(found.scores(values[parts.test]), labels[parts.test])


def random_coordinates_auroc(
    values: Matrix, labels: Labels, parts: Split, k: int, seed: int
) -> float:
    """AUROC of a probe of as many coordinates that were drawn at random."""
    width = values.shape[1]
    drawn = np.sort(np.random.default_rng(seed).choice(width, size=k, replace=False))
    found = fit_probe(values[parts.train], labels[parts.train], drawn)
    return auroc(found.scores(values[parts.test]), labels[parts.test])


def bag_of_words_auroc(ids: Sequence[Sequence[int]], labels: Labels, parts: Split) -> float:
    """AUROC of a probe that sees only how often each token stands in a text."""
    known = sorted({i for row in parts.train for i in ids[row]})
    column = {token: at for at, token in enumerate(known)}
    counts = np.zeros((len(ids), len(known)))
    for row, tokens in enumerate(ids):
        for token in tokens:
            if token in column:
                counts[row, column[token]] += 1
    found = fit_probe(counts[parts.train], labels[parts.train], np.arange(len(known)))
    return auroc(found.scores(counts[parts.test]), labels[parts.test])


def random_weight_model(model: Model, seed: int) -> Model:
    """A copy of the model whose every matrix holds its own numbers in a random order.

    So sizes and spreads of weights are the model's own, and nothing that it learned is left but
    in vectors (norms, biases), which stay.

    **Cost** the memory of a second model; opening it, uncounted.
    """
    module = copy.deepcopy(model.module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                order = torch.randperm(parameter.numel(), generator=generator)
                mixed = parameter.flatten()[order.to(parameter.device)]
                parameter.copy_(mixed.reshape(parameter.shape))
    with uncounted():
        return Model.build(module, model.tokenizer)
