"""The question that a command line asks, checked before a model opens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.cli.terminal import tell
from pellucid.options import MetricName, PatchAblation

if TYPE_CHECKING:
    from pellucid.results.provenance import InputFile
    from pellucid.task.contrast import Contrast, ContrastBatch
    from pellucid.task.prompt_file import DecisionRow


@dataclass(frozen=True, kw_only=True)
class Chat:
    """That prompts are messages to a chat model."""

    system: str | None = None

    def prompt(self, model: Any, message: str | Sequence[int]) -> str | tuple[int, ...]:
        """A message as the model reads it. **Raises** ``TokenError`` for ids, and no template."""
        from pellucid.errors import TokenError
        from pellucid.task.chat import chat_prompt

        if not isinstance(message, str):
            raise TokenError("A prompt given as token ids cannot be a message. Leave out --chat.")
        return chat_prompt(model.tokenizer, message, system=self.system)


def asked_in(path: Path, chat: Chat | None = None) -> "AskedQuestion":
    """The questions of a file. **Raises** ``TaskError`` for one that cannot be used."""
    from pellucid.task.prompt_file import file_of_decisions, input_file, read_prompts

    decisions = file_of_decisions(path)
    if any(one.corrupted is None for one in decisions):
        return AskedQuestion(decisions=decisions, file=input_file(path), name=path.stem, chat=chat)
    return AskedQuestion(contrasts=read_prompts(path), chat=chat)


@dataclass(frozen=True, kw_only=True)
class AskedQuestion:
    """One prompt with an answer and a foil, or those of a file: ``contrasts``, or ``decisions``."""

    prompt: str | tuple[int, ...] = ""
    answer: str = ""
    foil: str = ""
    corrupted: str | tuple[int, ...] | None = None
    contrasts: "ContrastBatch | None" = None
    decisions: "tuple[DecisionRow, ...]" = ()
    """Rows of which some have no corrupted prompt yet."""
    name: str = ""
    """Of the file of decisions."""
    file: "InputFile | None" = None
    """That file."""
    chat: Chat | None = None
    """Where prompts are messages that are not written out as a chat yet."""

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

    def written_out(self, model: Any) -> "AskedQuestion":
        """The question with its messages in the model's chat template, if they are messages.

        **Raises** ``TokenError`` when it has none, or its template refuses.
        """
        if self.chat is None:
            return self

        def told(part: Any) -> Any:
            return None if part is None else chat.prompt(model, part)

        chat, contrasts = self.chat, self.contrasts
        if contrasts is not None:
            each = tuple(
                replace(one, clean=told(one.clean), corrupted=told(one.corrupted))
                for one in contrasts
            )
            return replace(self, contrasts=replace(contrasts, contrasts=each), chat=None)
        rows = tuple(
            replace(row, prompt=told(row.prompt), corrupted=told(row.corrupted))
            for row in self.decisions
        )
        if rows:
            return replace(self, decisions=rows, chat=None)
        prompt, corrupted = told(self.prompt), told(self.corrupted)
        return replace(self, prompt=prompt, corrupted=corrupted, chat=None)

    def completed(self, model: Any, metric: MetricName) -> "AskedQuestion":
        """The question as the model is asked it: messages written out, a file's gaps filled.

        Corrupted prompts of a file that were made and judged here go to stderr.

        **Raises** ``CorruptionError`` listing the rows for which none works, and as
        ``written_out``.
        """
        if self.chat is not None:
            return self.written_out(model).completed(model, metric)
        if not self.decisions:
            return self
        from pellucid.analysis.decisions import with_corrupted
        from pellucid.task.contrast import ContrastBatch

        made = with_corrupted(model, self.decisions, metric)
        for decision, (contrast, how) in zip(self.decisions, made, strict=True):
            if how != "given":
                said = f"{decision.where}: corrupted prompt {contrast.corrupted!r} ({how})"
                tell(said, err=True)
        contrasts = tuple(one for one, _ in made)
        return AskedQuestion(contrasts=ContrastBatch(contrasts, name=self.name, file=self.file))

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

    def check_ablation(self, ablation: PatchAblation) -> None:
        """Refuse to resample from other prompts when there are none."""
        if ablation == "resample" and len(self.contrasts or self.decisions) < 2:
            raise typer.BadParameter(
                "--ablation resample takes values from other prompts: give several, with --prompts."
            )
