"""Small models whose circuit is known, and how well methods find it.

pellucid.zoo.names("induction/*")        which models there are
pellucid.zoo.specimen(name)              one of them, with its question and its truth
pellucid.zoo.certify(specimen)           the truth, enumerated by cutting edges
pellucid.zoo.run(["slot-ig", mine])      methods scored, also your own function
pellucid.zoo.run_real(model)             estimates on a real model, against exact effects
"""

from pellucid.zoo.certify import Certificate, certify
from pellucid.zoo.page import page
from pellucid.zoo.real import RealResult, RealScore, run_real
from pellucid.zoo.registry import Specimen, about, names, specimen
from pellucid.zoo.result import ZooResult, ZooScore
from pellucid.zoo.scoring import METHODS, run

__all__ = [
    "METHODS",
    "Certificate",
    "RealResult",
    "RealScore",
    "Specimen",
    "ZooResult",
    "ZooScore",
    "about",
    "certify",
    "names",
    "page",
    "run",
    "run_real",
    "specimen",
]
