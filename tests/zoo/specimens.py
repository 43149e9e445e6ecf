"""Models of the zoo, each built and certified once."""

from functools import cache

from pellucid import attribute_edges
from pellucid.stats.ranking import auprc
from pellucid.zoo import Certificate, Specimen, certify, specimen


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
