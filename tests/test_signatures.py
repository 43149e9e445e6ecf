"""The public functions and classes, their parameters and defaults are those written down.

Whoever changes one on purpose writes them down anew, `python -m tests.test_signatures`, and says so
in CHANGELOG.md.
"""

import inspect
from pathlib import Path

import pellucid
from pellucid import zoo

RECORDED = Path(__file__).parent / "signatures.txt"


def signatures() -> list[str]:
    """Every public call as one line, without annotations, in the order of their names."""
    named = {name: getattr(pellucid, name) for name in pellucid.__all__ if name != "zoo"}
    named |= {f"zoo.{name}": getattr(zoo, name) for name in zoo.__all__}
    calls = {name: one for name, one in named.items() if callable(one) and not made_by_us(one)}
    return [f"{name}{bare(calls[name])}" for name in sorted(calls)]


def made_by_us(one: object) -> bool:
    """Errors, and results, whose layout is recorded in ``report/schema.json``."""
    return inspect.isclass(one) and issubclass(one, Exception | pellucid.Result)


def bare(call: object) -> str:
    """Parameters and defaults of a function or a class."""
    found = inspect.signature(call)  # type: ignore[arg-type]
    return str(inspect.Signature([plain(one) for one in found.parameters.values()]))


def plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """Without its annotation; a default too long to read as ``Ellipsis``."""
    default = ... if len(repr(parameter.default)) > 80 else parameter.default
    return parameter.replace(annotation=inspect.Parameter.empty, default=default)


def test_public_calls_are_those_written_down():
    recorded, now = RECORDED.read_text().splitlines(), signatures()
    changed = {"gone": set(recorded) - set(now), "new": set(now) - set(recorded)}
    assert not any(changed.values()), f"{changed}: see the top of this file"


if __name__ == "__main__":
    RECORDED.write_text("\n".join([*signatures(), ""]))
