"""Small models whose circuit is known, and how well methods find it.

pellucid.zoo.names("induction/*")        which models there are
pellucid.zoo.specimen(name)              one of them, with its question and its truth
pellucid.zoo.certify(specimen)           the truth, enumerated by cutting edges
pellucid.zoo.run(["slot-ig", mine])      methods scored, also your own function
"""

from pellucid.zoo.certify import Certificate, certify
from pellucid.zoo.page import page
from pellucid.zoo.registry import Specimen, about, names, specimen
from pellucid.zoo.result import ZooResult, ZooScore
from pellucid.zoo.scoring import METHODS, run

__all__ = [
    "METHODS",
    "Certificate",
    "Specimen",
    "ZooResult",
    "ZooScore",
    "about",
    "certify",
    "names",
    "page",
    "run",
    "specimen",
]
