"""``generate``: what the model writes, with edits at every step and values at sites.

1. Edits are checked, and told which positions they will meet.
2. The model's own ``generate`` runs (``model/running/generating.py``). At each step an edit is
   applied to those of its positions that the step computes.
3. Behind the edits, values at sites are kept, position by position.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.errors import ContextLengthError, EditError, TaskError
from pellucid.model.model import Model, opened
from pellucid.model.running.generating import Drawing, Generated, Step, generated
from pellucid.model.running.taps import Taps
from pellucid.model.sites import Site
from pellucid.options import MAX_NEW_TOKENS, SEED, TEMPERATURE, TOP_P
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.run.corpus.activations import sites_of
from pellucid.run.edit import Edit, applying
from pellucid.run.generation.generation import Generation
from pellucid.run.gradient import demand_finite
from pellucid.run.prompts import read_prompt
from pellucid.run.provenance import with_provenance
from pellucid.task.positions import positions_from_start
from pellucid.task.tokens import labels, read


@with_provenance
def generate(
    model: Model,
    prompt: str | Sequence[int],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    temperature: float = TEMPERATURE,
    top_p: float = TOP_P,
    seed: int = SEED,
    edits: Sequence[Edit] = (),
    sites: Site | str | Iterable[Site | str] = (),
) -> Generation:
    """What the model writes behind ``prompt``, with ``edits`` at every step.

    The likeliest token at ``temperature`` 0, else drawn by ``seed`` from the smallest set of tokens
    that holds ``top_p`` of the probability. Of the model's own settings for generation only its end
    tokens count. It writes up to one of them, or ``max_new_tokens``.

    Positions of an ``Edit`` are those of the whole text, so that those behind the prompt are tokens
    that the model has written; negative ones are counted from the end of the *prompt*. An edit
    without positions is made at every token. ``sites`` are those of ``activations``: their values
    behind all edits are kept.

    **Cost** 1 forward for each token written.
    **Raises** ``EditError`` for a site or position that is not there, ``TaskError`` for numbers
    that mean nothing, ``ContextLengthError`` when prompt and text are longer than the model reads,
    ``UnsupportedArchitectureError`` for a model without a ``generate`` of its own.
    """
    opened(model)
    ids = read_prompt(model, prompt)
    drawing = Drawing(
        max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed
    )
    _demand_sensible(drawing)
    _demand_room(model, len(ids), max_new_tokens)
    read = len(ids) + max_new_tokens - 1
    placed = tuple(_placed(edit, len(ids), read) for edit in edits)
    asked = _Asked(ids, drawing, placed, _Kept(_sites(model, sites), {}))
    tokens = torch.tensor([ids], device=model.device)
    expect(max_new_tokens)
    with torch.inference_mode(False), metering() as meter:
        made = generated(model.module, model.anatomy, tokens, drawing, asked.taps)
    return _told(model, asked, made, meter.passes)


@dataclass
class _Kept:
    """Sites whose values are wanted, and what was there so far ``[position ...]``."""

    sites: tuple[Site, ...]
    values: dict[Site, Tensor]

    def keep(self, site: Site, value: Tensor, step: Step) -> None:
        """Note the values of a step; they replace those that it computes anew."""
        new, before = value[0].detach().cpu(), self.values.get(site)
        self.values[site] = (
            new.clone() if before is None else torch.cat([before[: step.start], new])
        )


@dataclass(frozen=True)
class _Asked:
    """What is to be written, and what happens meanwhile."""

    prompt: tuple[int, ...]
    drawing: Drawing
    edits: tuple[Edit, ...]
    kept: _Kept

    def taps(self, step: Step) -> Taps:
        """A tap for each site that is edited or kept; ``step`` says what it is shown."""
        sites = dict.fromkeys([*(edit.site for edit in self.edits), *self.kept.sites])
        return {site: self._tap(site, step) for site in sites}

    def _tap(self, site: Site, step: Step) -> Callable[[Tensor], Tensor | None]:
        edits = [edit for edit in self.edits if edit.site == site]

        def tap(value: Tensor) -> Tensor | None:
            met = [there for edit in edits if (there := _in_step(edit, step))]
            new = applying(met)(value)
            if site in self.kept.sites:
                self.kept.keep(site, new, step)
            return new if met else None

        return tap


def _in_step(edit: Edit, step: Step) -> Edit | None:
    """``edit`` at those of its positions that a step computes, counted from the first of them."""
    if edit.positions is None:
        return edit
    assert not isinstance(edit.positions, int)
    met = [place - step.start for place in edit.positions if step.start <= place < step.end]
    return replace(edit, positions=tuple(met)) if met else None


def _placed(edit: Edit, prompt: int, read: int) -> Edit:
    """``edit`` with positions of the whole text, of which ``read`` tokens at most are read.

    **Raises** ``EditError`` for a position that no step computes.
    """
    if edit.positions is None:
        return edit
    assert not isinstance(edit.positions, int)
    from_start = [place + prompt if place < 0 else place for place in edit.positions]
    at = f"{edit.site.name}, of the {prompt} tokens of the prompt and those written"
    found = positions_from_start(
        [place if place >= 0 else read for place in from_start], read, given=edit.positions, at=at
    )
    return replace(edit, positions=found)


def _sites(model: Model, sites: Site | str | Iterable[Site | str]) -> tuple[Site, ...]:
    listed = [sites] if isinstance(sites, Site | str) else list(sites)
    found = sites_of(model, listed) if listed else ()
    if patterns := [site.name for site in found if site.kind == "pattern"]:
        raise EditError(
            f"{patterns[0]} grows with the text, so it has no value per position. Read it from the "
            "whole text: pellucid.activations(model, prompt_ids + ids, 'L0 pattern')."
        )
    return found


def _demand_sensible(drawing: Drawing) -> None:
    if drawing.max_new_tokens < 1:
        raise TaskError(f"max_new_tokens={drawing.max_new_tokens}: give at least 1.")
    if not 0 <= drawing.temperature < float("inf"):
        raise TaskError(
            f"temperature={drawing.temperature}: give 0 for the likeliest token, or a number above."
        )
    if not 0 < drawing.top_p <= 1:
        raise TaskError(f"top_p={drawing.top_p}: give a share above 0, up to 1 for every token.")


def _demand_room(model: Model, length: int, more: int) -> None:
    limit = model.max_positions
    if limit is not None and length + more - 1 > limit:
        raise ContextLengthError(
            f"A prompt of {length} tokens and max_new_tokens={more} need {length + more - 1} "
            f"positions; the model reads at most {limit}. Give max_new_tokens={limit - length + 1} "
            "or less.",
            length=length + more - 1,
            limit=limit,
        )


def _told(model: Model, asked: _Asked, made: Generated, passes: Passes) -> Generation:
    ids = tuple(made.ids.tolist())
    demand_finite(made.logits, "model's output")
    scores = made.logits.double().log_softmax(-1).gather(1, made.ids[:, None])[:, 0]
    return Generation(
        prompt_ids=asked.prompt,
        ids=ids,
        tokens=labels(model.tokenizer, (*asked.prompt, *ids)),
        text=read(model.tokenizer, ids) if model.tokenizer is not None else " ".join(map(str, ids)),
        log_probability=scores.cpu(),
        ended_by="end token" if made.ended else "length",
        values={site.name: value for site, value in asked.kept.values.items()},
        edits=tuple(map(_in_words, asked.edits)),
        seed=asked.drawing.seed,
        temperature=float(asked.drawing.temperature),
        passes=passes,
    )


def _in_words(edit: Edit) -> str:
    """What an edit does, as ``add at blocks.3.hook_resid_pre, positions 4 5``."""
    chosen = (("heads", edit.heads), ("positions", edit.positions))
    more = [f", {name} {' '.join(map(str, which))}" for name, which in chosen if which is not None]  # type: ignore[arg-type]
    return f"{edit.operation} at {edit.site.name}{''.join(more)}"
