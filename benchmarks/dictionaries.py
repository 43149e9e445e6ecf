"""Train a dictionary of SmolLM2's middle layer on WordNet's glosses, and judge it; dictionaries.md.

apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
python benchmarks/dictionaries.py wordnet
"""

import argparse
import random
import time
from pathlib import Path

import pellucid

SITE = "L15 resid_pre"
GLOSSES, TEXTS, HELD_OUT = 10, 90, 6
"""Glosses of one text, texts to learn from, and texts to judge on."""


def texts(folder: Path) -> list[str]:
    """Glosses in an order drawn, ``GLOSSES`` of them a text."""
    glosses = []
    for file in sorted(folder.rglob("data.*")):
        for line in file.read_text().splitlines():
            if " | " in line and not line.startswith("  "):
                gloss = line.split(" | ", 1)[1].strip()
                glosses.append(gloss[:1].upper() + gloss[1:] + ".")
    random.Random(0).shuffle(glosses)
    return [" ".join(glosses[i : i + GLOSSES]) for i in range(0, len(glosses), GLOSSES)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("wordnet", type=Path)
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--latents", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    model, every = pellucid.load(), texts(given.wordnet)
    begun = time.process_time()
    acts = pellucid.activations(model, every[64 : 64 + given.texts], SITE, dtype="float16")
    read = time.process_time()
    found = pellucid.fit_dictionary(
        acts, given.latents, k=32, epochs=given.epochs, learning_rate=8e-4
    )
    print(f"{len(acts)} tokens: {read - begun:.0f} s to read, ", end="")
    print(f"{time.process_time() - read:.0f} s to train (of processor)")
    print(pellucid.evaluate_dictionary(model, found, every[:HELD_OUT]))


if __name__ == "__main__":
    main()
