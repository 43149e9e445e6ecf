"""Models of the zoo, each built and certified once."""

from functools import cache

from pellucid.zoo import Certificate, Specimen, certify, specimen


@cache
def opened(name: str) -> Specimen:
    """One model."""
    return specimen(name)


@cache
def certified(name: str) -> Certificate:
    """Its certificate."""
    return certify(opened(name))
