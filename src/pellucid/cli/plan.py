"""`--plan` of commands whose steps are known beforehand: forwards of each, and the time in all."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pellucid.cli.expand import option
from pellucid.cli.terminal import tell, tell_json

if TYPE_CHECKING:
    from torch import Tensor

    from pellucid.model.model import Model

_WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Whether only the cost is told."""

    panel: ClassVar[str] = "Output"

    plan: Annotated[bool, option("Only say what it would cost.", "--plan")] = False

    def told(
        self,
        model: "Model",
        tokens: "Tensor",
        steps: Mapping[str, int],
        backwards: int,
        as_json: bool,
    ) -> bool:
        """Whether it was asked for; then what each of ``steps`` runs at the most, is printed.

        ``tokens [row pos]`` are those of one forward, of which the time is measured. A backward
        counts as two forwards.

        **Cost** 3 forwards, if it was asked for.
        """
        if not self.plan:
            return False
        from pellucid.cli.cost import seconds, spoken

        one, total = seconds(model, tokens), sum(steps.values())
        costs = {
            **steps,
            "forwards at most": total,
            "backwards at most": backwards,
            "seconds of one forward": round(one, 4),
            "seconds at most": round((total + 2 * backwards) * one, 1),
        }
        if as_json:
            tell_json(json.dumps(costs, indent=1))
            return True
        tell(f"Nothing was run. On {model.name} this would take, at the most:\n")
        for step, forwards in steps.items():
            tell(f"  {forwards:5d} {'forward' if forwards == 1 else 'forwards'}: {step}")
        more = f" and {backwards} backwards" if backwards else ""
        text = (
            f"In all at most {total} forwards{more}. One took {one:.3g} s here, measured just now; "
            f"all of it takes about {spoken(costs['seconds at most'])} at the most."
        )
        tell("\n" + "\n".join(textwrap.wrap(text, _WIDTH)))
        return True
