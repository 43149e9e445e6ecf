"""How well a model predicts with something else in the place of an activation.

    CE   mean of -log p(next token)            KL   mean of KL(p of the model as it is, p with it)

over the tokens behind ``skip`` first positions; before them nothing is put in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pellucid.dictionary.dictionary import Dictionary
from pellucid.features.stand_ins import StandIn
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, Start, forward, undisturbed
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site

TOKENS_PER_CALL = 768
"""Of one call, whose logits are all held."""


@dataclass
class Losses:
    """Sums over tokens, by what was put in; the model as it is under ``clean``."""

    tokens: int = 0
    ce: dict[str, float] = field(default_factory=dict)
    kl: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, logits: Tensor, clean: Tensor, targets: Tensor) -> None:
        """Take up the logits ``[token d_vocab]`` of one call."""
        own, reference = logits.log_softmax(-1), clean.log_softmax(-1)
        ce = -own.gather(1, targets[:, None]).double().sum()
        kl = (reference.exp() * (reference - own)).sum(-1).double().sum()
        self.ce[name] = self.ce.get(name, 0.0) + float(ce)
        self.kl[name] = self.kl.get(name, 0.0) + float(kl)


def spliced(
    model: Model,
    dictionary: Dictionary,
    texts: Sequence[Sequence[int]],
    given: Mapping[str, StandIn],
    skip: int,
) -> Losses:
    """Losses of the model as it is, and with each stand-in at the place that is written.

    **Cost** 1 forward for each text and stand-in, from the layer of the place on, and 1 for each
    text.
    """
    found = Losses()
    order = sorted((text for text in texts if len(text) > skip + 1), key=len)
    call: list[Sequence[int]] = []
    with undisturbed(model.module), torch.no_grad():
        for text in order:
            if call and (len(call) + 1) * len(text) > TOKENS_PER_CALL:
                _one_call(model, dictionary, call, given, (skip, found))
                call = []
            call.append(text)
        if call:
            _one_call(model, dictionary, call, given, (skip, found))
    return found


def _one_call(
    model: Model,
    dictionary: Dictionary,
    texts: Sequence[Sequence[int]],
    given: Mapping[str, StandIn],
    into: tuple[int, Losses],
) -> None:
    skip, found = into
    longest = max(map(len, texts))
    tokens = torch.zeros(len(texts), longest, dtype=torch.long)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = torch.tensor(text)
    lengths = torch.tensor([len(text) for text in texts])
    tokens, lengths = tokens.to(model.device), lengths.to(model.device)
    at = torch.arange(longest, device=model.device)
    put = (at >= skip) & (at < lengths[:, None])
    judged = (put & (at < lengths[:, None] - 1))[:, :-1]
    targets = tokens[:, 1:][judged]
    site, layer = dictionary.site_out, dictionary.site_out.layer
    stream: list[Tensor] = []

    def run(taps: dict[Site, Tap], start: Start | None) -> Tensor:
        batch = Batch(tokens=tokens, lengths=lengths, start=start, forwards=len(texts))
        return forward(model.module, model.anatomy, batch, taps=taps)[:, :-1][judged]

    late = layer > 0 and model.check.can_start_late
    noting: dict[Site, Tap] = {}
    if late:
        noting[Site("resid_pre", layer)] = lambda value: stream.append(value.clone())
    clean = run(noting, None)
    found.tokens += len(targets)
    found.add("clean", clean, clean, targets)
    for name, stand_in in given.items():
        taps = _taps(dictionary, site, stand_in, put)
        found.add(name, run(taps, Start(layer, stream[0]) if late else None), clean, targets)


def _taps(dictionary: Dictionary, site: Site, stand_in: StandIn, put: Tensor) -> dict[Site, Tap]:
    read: list[Tensor] = []

    def note(value: Tensor) -> None:
        read[:] = [value.flatten(2)]

    def replace(value: Tensor) -> Tensor:
        there = value.flatten(2)
        inputs = there if dictionary.site_in == site else read[0]
        new = torch.where(put[..., None], stand_in(inputs, there), there)
        return new.reshape(value.shape)

    taps: dict[Site, Tap] = {site: replace}
    if dictionary.site_in != site:
        taps[dictionary.site_in] = note
    return taps
