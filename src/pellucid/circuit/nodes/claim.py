"""Whether there is anything to claim a circuit for: no behaviour, no circuit."""

from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.run.record import Trace
from pellucid.stats.signflip import sign_flip_p
from pellucid.stats.tokenpairs import token_pair_p

CHANCE = 0.05
ENOUGH_TO_TEST = 5
"""From five examples on, sign-flip tests over examples can reach ``CHANCE``."""


def nothing_to_explain(trace: Trace) -> str:
    """Why no circuit should be claimed whatever the search finds; empty if one may be.

    The answer must be preferred, and the corrupted prompts must take some of that away. From five
    examples on both must be beyond chance over examples (sign-flip); and with answers of one token
    the logits of answer and foil must change more than those of random pairs of tokens do, which
    tells a behaviour from arbitrary weights even on one prompt.
    """
    preference = trace.preference.cpu().double()
    difference = trace.difference.cpu().double()
    if float(preference.mean()) <= 0:
        return "the model does not prefer the answer to the foil"
    if float(difference.mean()) <= 0:
        return "the corrupted prompts do not lower the metric"
    for values, claim in (
        (preference, "the model prefers the answer by"),
        (difference, "the corrupted prompts lower the metric by"),
    ):
        if len(values) < ENOUGH_TO_TEST:
            continue
        p = sign_flip_p(values.numpy())
        if p >= CHANCE:
            return (
                f"over {len(values)} examples {claim} {float(values.mean()):z.2f} on average, "
                f"which is not beyond chance (sign-flip p = {p:.2f})"
            )
    as_much = among_token_pairs(trace)
    if as_much is not None and as_much >= CHANCE:
        return (
            "the corrupted prompts change answer and foil no more than other tokens: "
            f"{as_much:.0%} of random pairs change as much"
        )
    return ""


def among_token_pairs(trace: Trace) -> float | None:
    """How often a random pair of tokens changes as much as answer and foil.

    None where answers have several tokens, or the vocabulary is too small to tell.
    """
    encoded = trace.encoded
    rows, reads, vocabulary = trace.logits_clean.shape
    if reads > 1 or rows != encoded.n_examples or vocabulary * (vocabulary - 1) <= 1 / CHANCE:
        return None
    change = (trace.logits_clean - trace.logits_corrupted)[:, 0].float().cpu().numpy()
    return token_pair_p(
        change, encoded.answers[:, 0].cpu().numpy(), encoded.foils[:, 0].cpu().numpy()
    )


def upside_down(measure: SetMeasure) -> str:
    """Why f means nothing here; empty if replacing everything lowers the metric, as it should."""
    if measure.unknown([measure.none]):
        return ""
    everything, nothing = measure.metric([measure.all, measure.none]).double().mean(1).tolist()
    if everything > nothing:
        return ""
    return (
        "replacing every part does not lower the metric "
        f"({everything:z.2f} becomes {nothing:z.2f}), so no share of it can be measured; try "
        "another ablation"
    )
