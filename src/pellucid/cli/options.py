"""The options that commands share, each declared once: a question, a model, a run, an output.

Each kind is a dataclass that ``expanded`` makes into options of a command. What can be refused
before a model opens is refused here (exit code 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from pellucid.cli.expand import LAST, option
from pellucid.cli.question import AskedQuestion, Chat, asked_in
from pellucid.cli.reports import WAYS
from pellucid.cli.terminal import open_model, show, tell
from pellucid.errors import ModelError, ResultFileError
from pellucid.model.opening.placement import device_name
from pellucid.options import (
    ABLATION,
    ANALYSIS_CONTROLS,
    ANALYSIS_RANDOM_SETS,
    BUDGET,
    CLEAN_GRADIENT,
    DTYPE,
    METRIC,
    MODEL,
    NODE_METHOD,
    OPPONENTS,
    OVER,
    SEED,
    TARGET,
    Ablation,
    DtypeName,
    MetricName,
    NodeMethod,
    Opponents,
    Over,
)
from pellucid.results.disk.files import demand_file, write_file
from pellucid.results.disk.out import demand_out, write_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_device(name: str | None) -> str | None:
    """Refuse what does not read like a device."""
    try:
        return device_name(name)
    except ModelError as error:
        raise typer.BadParameter(str(error)) from error


def checked(name: str, path: str | Path, demand: Callable[[str | Path], Path]) -> None:
    """Refuse, before a model opens, the place of a file or folder that cannot be written."""
    try:
        target = demand(path)
    except ResultFileError as error:
        raise typer.BadParameter(f"{name}: {error}") from error
    if not target.parent.is_dir():
        raise typer.BadParameter(f"{name} {path}: the folder {target.parent} does not exist.")


ModelSource = Annotated[str, option("Name, folder or .gguf file.", "--model", "-m")]
Offline = Annotated[bool, option("Never reach out to a hub.", "--offline")]
TokenizerSource = Annotated[
    str | None, option("Its tokenizer, if not the model's own: a name or folder.", "--tokenizer")
]
AsJson = Annotated[bool, option("Print JSON instead of text.", "--json")]
Prompts = Annotated[
    Path | None,
    option("Many at once: a .csv or .jsonl of prompt, answer, foil, corrupted.", "--prompts"),
]
MetricOption = Annotated[MetricName, option("What is measured.", "--metric")]
PartsOption = Annotated[
    str | None,
    option("Rank these instead, as M3.neurons (all neurons of an MLP), M3N310 or L2.heads+M4."),
]
Top = Annotated[int, option("Rows to print.", min=1)]


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """Whether prompts are messages to a chat model."""

    panel: ClassVar[str] = "Question"

    chat: Annotated[
        bool,
        option("The prompt is a user's message: write it out in the chat template.", "--chat"),
    ] = field(default=False, metadata={LAST: True})
    system: Annotated[str | None, option("With --chat: the system message.")] = field(
        default=None, metadata={LAST: True}
    )

    def __post_init__(self) -> None:
        if self.system is not None and not self.chat:
            raise typer.BadParameter("--system goes with --chat.")

    @property
    def template(self) -> Chat | None:
        """How prompts are written out; None where they are read as they are."""
        return Chat(system=self.system) if self.chat else None

    def read_by(self, model: Any, prompt: str) -> str | tuple[int, ...]:
        """A prompt as the model reads it. **Raises** ``TokenError`` where it has no template."""
        return self.template.prompt(model, prompt) if self.template else prompt


@dataclass(frozen=True, kw_only=True)
class PromptOptions(ChatOptions):
    """One prompt."""

    prompt: Annotated[str | None, typer.Argument(help="The prompt.", show_default=False)] = None
    prompt_option: Annotated[str | None, option("The prompt, as an option.", "--prompt")] = None

    def only(self, *, more: str = "") -> str:
        """The prompt named; ``more`` says how else it could be."""
        if (self.prompt is None) == (self.prompt_option is None):
            raise typer.BadParameter(f"Give the prompt once, as <prompt> or with --prompt{more}.")
        return self.prompt if self.prompt is not None else self.prompt_option or ""


@dataclass(frozen=True, kw_only=True)
class QuestionOptions(PromptOptions):
    """A prompt with an answer and a foil, or a file of them."""

    answer: Annotated[
        str | None, option('Continuation wanted, as " Mary".', "--answer", "--correct")
    ] = None
    foil: Annotated[
        str | None, option("The continuation it is held against.", "--foil", "--incorrect")
    ] = None
    corrupted: Annotated[str | None, option("Prompt with another answer; made if not given.")] = (
        None
    )
    prompts: Prompts = None

    def ask(self) -> AskedQuestion:
        """The question that the options ask.

        **Raises** ``typer.BadParameter`` when one is missing or they contradict, and ``TaskError``
        for a file of prompts that cannot be used.
        """
        one = (self.prompt, self.prompt_option, self.answer, self.foil, self.corrupted)
        if self.prompts is not None:
            if any(x is not None for x in one):
                raise typer.BadParameter(
                    "--prompts FILE holds whole questions; leave out the prompt, --answer, --foil "
                    "and --corrupted."
                )
            return asked_in(self.prompts, self.template)
        prompt = self.only(more="; or many with --prompts FILE")
        if self.answer is None or self.foil is None:
            missing = "--answer" if self.answer is None else "--foil"
            raise typer.BadParameter(f'{missing} is missing, as in {missing} " Mary".')
        if self.answer == self.foil:
            raise typer.BadParameter(f"--answer and --foil are both {self.answer!r}.")
        if not prompt.strip() or not self.answer or not self.foil:
            raise typer.BadParameter("Prompt, answer and foil must not be empty.")
        return AskedQuestion(
            prompt=prompt,
            answer=self.answer,
            foil=self.foil,
            corrupted=self.corrupted,
            chat=self.template,
        )


@dataclass(frozen=True, kw_only=True)
class WeightOptions:
    """How the weights of a model are held."""

    panel: ClassVar[str] = "Model"

    dtype: Annotated[DtypeName, option("Number format of the weights.")] = DTYPE
    device: Annotated[
        str | None, option("As cpu or cuda:0; the CPU if not given.", callback=check_device)
    ] = None
    offline: Offline = field(default=False, metadata={LAST: True})

    def open(self, source: str, tokenizer: str | None = None) -> Any:
        """The model of that name, with its own tokenizer or the one named."""
        return open_model(
            source, self.offline, dtype=self.dtype, device=self.device, tokenizer=tokenizer
        )


@dataclass(frozen=True, kw_only=True)
class NameOptions:
    """Which model."""

    panel: ClassVar[str] = "Model"

    model: ModelSource = MODEL
    tokenizer: TokenizerSource = None


@dataclass(frozen=True, kw_only=True)
class ModelOptions(WeightOptions, NameOptions):
    """Which model, and how it is held."""

    def opened(self) -> Any:
        """The model."""
        return self.open(self.model, self.tokenizer)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which model, where a command is about nothing else."""

    panel: ClassVar[str] = "Model"

    source: Annotated[
        str | None,
        typer.Argument(metavar="<model>", help="Name, folder or .gguf file.", show_default=MODEL),
    ] = None
    model: Annotated[str | None, option("The same, as an option.", "--model", "-m")] = None
    tokenizer: TokenizerSource = None
    offline: Offline = field(default=False, metadata={LAST: True})

    def opened(self) -> Any:
        """The model named, the embedded one if none was."""
        if self.source is not None and self.model is not None:
            raise typer.BadParameter("Give the model once, as <model> or with --model.")
        source = self.source or self.model or MODEL
        return open_model(source, self.offline, tokenizer=self.tokenizer)


@dataclass(frozen=True, kw_only=True)
class RankOptions:
    """How nodes are ranked, and by what."""

    panel: ClassVar[str] = "What is measured"

    metric: MetricOption = METRIC
    method: Annotated[NodeMethod, option("How nodes are ranked.")] = NODE_METHOD

    def check(self) -> None:
        """Refuse a method that cannot rank by the metric."""
        if self.method in CLEAN_GRADIENT and self.metric == "kl":
            raise typer.BadParameter(
                "--metric kl is at its minimum on the clean prompt, where atp takes its gradient. "
                "Add --method mask-ig."
            )


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How a circuit of nodes is looked for, and what is measured of it."""

    panel: ClassVar[str] = "What is measured"

    over: Annotated[Over, option("Parts that may be replaced.")] = OVER
    ablation: Annotated[Ablation, option("What parts are replaced with.")] = ABLATION
    target: Annotated[float, option("Sufficiency to reach.", min=0.01, max=1)] = TARGET
    budget: Annotated[int, option("Forwards the search may spend.", min=10)] = BUDGET
    opponents: Annotated[
        Opponents, option("Parts that oppose strongly: left to the search, or always kept.")
    ] = OPPONENTS
    random_sets: Annotated[
        int, option("Random circuits to compare with, of each kind; 0 for none.", min=0)
    ] = ANALYSIS_RANDOM_SETS
    controls: Annotated[
        int, option("Random sets to compare what steps in with; 0: no claim of it.", min=0)
    ] = ANALYSIS_CONTROLS
    seed: Annotated[int, option("Seed of the random sets.")] = SEED
    insist: Annotated[
        bool, option("Claim a circuit even if the foil is preferred.", "--insist")
    ] = False


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How a result is printed, and where it is written."""

    panel: ClassVar[str] = "Output"
    endings: ClassVar[Sequence[str]] = (".json", ".csv", *WAYS)

    as_json: AsJson = False
    out: Annotated[str | None, option("Also .json, .csv, .html, .md, .pdf or a folder.")] = None

    def __post_init__(self) -> None:
        if self.out is None:
            return
        path = Path(self.out)
        if not self.out or path.suffix not in ("", *self.endings):
            listed = f"{', '.join(self.endings[:-1])} or {self.endings[-1]}"
            raise typer.BadParameter(
                f"--out {self.out!r}: give a name ending in {listed}, or a folder."
            )
        checked("--out", self.out, demand_file if path.suffix else demand_out)

    def show(self, result: Any, text: str) -> None:
        """Write the result where ``--out`` says, and print it, even where it cannot be written."""
        try:
            self.keep(result)
        finally:
            show(result, text, as_json=self.as_json)

    def keep(self, result: Any) -> None:
        """Write the result where ``--out`` says."""
        if self.out is not None:
            ending = Path(self.out).suffix
            if ending in WAYS:
                write_file(self.out, WAYS[ending](result))
            else:
                write_out(result, self.out)
            tell(f"Written to {self.out}", err=True)


@dataclass(frozen=True, kw_only=True)
class FigureOptions(OutputOptions):
    """How a result is printed, written and drawn."""

    plot: Annotated[str | None, option("Draw a figure: a .png or .svg.")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plot is None:
            return
        if Path(self.plot).suffix.lower() not in (".png", ".svg"):
            raise typer.BadParameter(f"--plot {self.plot!r}: give a name ending in .png or .svg.")
        checked("--plot", self.plot, demand_file)

    def draw(self, result: Any, text: str, figure: "Callable[[], Figure]", head: str = "") -> None:
        """Write and draw the result where ``--out`` and ``--plot`` say, and print it.

        ``head`` comes before it; beside JSON it goes to stderr, where it is still seen.
        """
        try:
            self.keep(result)
            if self.plot is not None:
                from pellucid.figures.save import save

                save(figure(), self.plot)
                tell(f"Drawn to {self.plot}", err=True)
        finally:
            if head:
                tell(head, err=self.as_json)
            show(result, text, as_json=self.as_json)
