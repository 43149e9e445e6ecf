"""Models of the zoo, each built and certified once.

``make test`` looks at ``some()`` of them and ``make soak`` at all.
"""

from functools import cache

from pellucid import attribute_edges
from pellucid.stats.ranking import auprc
from pellucid.zoo import Certificate, Specimen, certify, names, run, specimen


def some() -> list[str]:
    """Every behaviour and corruption in one of its varieties, in turn; one in every variety."""
    cases: dict[str, list[str]] = {}
    for name in names():
        cases.setdefault(name.partition("@")[0], []).append(name)
    chosen = [found[i % len(found)] for i, found in enumerate(cases.values())]
    return sorted({*chosen, *cases["or/both"]})


@cache
def opened(name: str) -> Specimen:
    """One model."""
    return specimen(name)


@cache
def certified(name: str) -> Certificate:
    """Its certificate."""
    return certify(opened(name))


@cache
def ranked(method: str, name: str) -> float:
    """AUPRC of a method on one model."""
    subject = opened(name)
    scores = attribute_edges(subject.model, subject.contrast, method=method).matrix.abs()
    return auprc(scores[subject.judged], subject.truth[subject.judged])


def demand_as_stated(name: str) -> None:
    """Enumeration finds what is stated of a model, with room beside it."""
    certificate = certified(name)
    assert certificate.wrong == ()
    assert certificate.weakest > 2 * certificate.loudest


def demand_found(name: str) -> None:
    """Cutting each edge alone finds all that is necessary, and slot-ig what that cannot show."""
    if opened(name).kind == "necessary":
        assert ranked("exact", name) == 1.0
    assert ranked("slot-ig", name) >= 0.85


def demand_right_sizes(models: list[str]) -> None:
    """The verified search ends with about as many edges as there are, the right ones first."""
    found = run("verified", models=models, null_tests=0).to_frame()
    off = found.size_error.astype(int)
    assert (off == 0).mean() >= 0.9
    assert off.abs().max() <= 2
    assert found.auprc.mean() >= 0.97
