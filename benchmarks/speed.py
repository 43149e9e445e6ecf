"""What recording, attribution, patching and the whole analysis cost, in plain forwards.

python benchmarks/speed.py [--threads 2] [--rounds 7] [--write benchmarks/README.md]
"""

from collections.abc import Callable

from timing import Case, Row, main, plainly, timed

import pellucid


def measure(case: Case, rounds: int) -> list[Row]:
    """All operations of one case, each in turn with the plain forward."""
    model, contrast = case.model, case.contrast
    long = case.tokens.numel() > 100
    heads = model.anatomy.n_heads
    plain = plainly(case)

    def analyze(random_sets: int) -> Callable[[], object]:
        return lambda: pellucid.analyze(model, contrast, random_sets=random_sets, insist=True)

    rows = [
        timed(case, "record", lambda: pellucid.record(model, contrast), plain, rounds, 2.3),
        timed(
            case,
            "attribute (nodes)",
            lambda: pellucid.attribute(model, contrast),
            plain,
            rounds,
            2.7 if long else 2.4,
        ),
    ]
    if long:
        return rows
    return [
        *rows,
        timed(
            case,
            f"patch {heads} heads, per head",
            lambda: pellucid.patch(model, contrast),
            plain,
            max(3, rounds // 2),
            0.35,
            per=heads,
        ),
        timed(case, "analyze, no random sets", analyze(0), plain, rounds, 20),
        timed(case, "analyze, 50 random sets", analyze(25), plain, rounds, 35),
    ]


if __name__ == "__main__":
    main(__doc__.splitlines()[0], measure, "<!-- table -->")
