"""The question that a command line asks, checked before a model opens."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.cli.terminal import tell
from pellucid.options import Ablation, MetricName

if TYPE_CHECKING:
    from pellucid.task.contrast import Contrast, ContrastBatch
    from pellucid.task.prompt_file import DecisionRow


def asked_in(path: Path) -> "AskedQuestion":
    """The questions of a file. **Raises** ``TaskError`` for one that cannot be used."""
    from pellucid.task.prompt_file import file_of_decisions, read_prompts

    decisions = file_of_decisions(path)
    if any(one.corrupted is None for one in decisions):
        return AskedQuestion(decisions=decisions, name=path.stem)
    return AskedQuestion(contrasts=read_prompts(path))


@dataclass(frozen=True, kw_only=True)
class AskedQuestion:
    """One prompt with an answer and a foil, or those of a file: ``contrasts``, or ``decisions``."""

    prompt: str = ""
    answer: str = ""
    foil: str = ""
    corrupted: str | None = None
    contrasts: "ContrastBatch | None" = None
    decisions: "tuple[DecisionRow, ...]" = ()
    """Rows of which some have no corrupted prompt yet."""
    name: str = ""
    """Of the file of decisions."""

    @property
    def asked(self) -> dict[str, Any]:
        """The question as ``analyze`` takes it."""
        if self.contrasts is not None:
            return {"contrast": self.contrasts}
        return {
            "prompt": self.prompt,
            "answer": self.answer,
            "foil": self.foil,
            "corrupted": self.corrupted,
        }

    def completed(self, model: Any, metric: MetricName) -> "AskedQuestion":
        """The question with every corrupted prompt of a file made and judged; those go to stderr.

        **Raises** ``CorruptionError`` listing the rows for which none works.
        """
        if not self.decisions:
            return self
        from pellucid.analysis.decisions import with_corrupted
        from pellucid.task.contrast import ContrastBatch

        made = with_corrupted(model, self.decisions, metric)
        for decision, (contrast, how) in zip(self.decisions, made, strict=True):
            if how != "given":
                said = f"{decision.where}: corrupted prompt {contrast.corrupted!r} ({how})"
                tell(said, err=True)
        return AskedQuestion(contrasts=ContrastBatch(tuple(one for one, _ in made), name=self.name))

    def contrast(self, model: Any, metric: MetricName) -> "Contrast | ContrastBatch":
        """What to measure; a corrupted prompt is made and judged if none was given.

        What the reader should know about the wording goes to stderr.
        """
        from pellucid.analysis.question import question_of
        from pellucid.task.contrast import ContrastBatch

        found = question_of(model, metric=metric, **self.completed(model, metric).asked)
        if found.how != "given":
            (only,) = ContrastBatch.of(found.contrast)
            tell(f"Corrupted prompt: {only.corrupted!r} ({found.how})", err=True)
        for note in ContrastBatch.of(found.contrast).notes(model.tokenizer):
            tell(f"Note: {note}", err=True)
        return found.contrast

    def judged(self, model: Any) -> int:
        """Forwards that choose a corrupted prompt at the most; 0 if one was given."""
        from pellucid.analysis.question import forwards_to_judge

        if self.contrasts is not None or self.corrupted is not None:
            return 0
        return forwards_to_judge(model, self.prompt, self.answer, self.foil)

    def check_ablation(self, ablation: Ablation) -> None:
        """Refuse to resample from other prompts when there are none."""
        if ablation == "resample" and len(self.contrasts or self.decisions) < 2:
            raise typer.BadParameter(
                "--ablation resample takes values from other prompts: give several, with --prompts."
            )
