"""What may be chosen of a search for backups: checked before anything is run."""

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.errors import BudgetError, EditError
from pellucid.options import Ablation, Over
from pellucid.run.setup import RecordKeywords, RecordOptions

ABLATIONS: tuple[Ablation, ...] = ("zero", "mean", "corrupted")
SHARE, CONTROLS, ROUNDS = 0.05, 39, 5
_BUDGET = 300


class BackupKeywords(RecordKeywords, total=False):
    """The options of ``backups`` as keywords, for type checkers and editors."""

    ablations: Sequence[Ablation]
    over: Over | None
    share: float
    controls: int
    rounds: int
    budget: int


@dataclass(frozen=True, kw_only=True)
class BackupOptions(RecordOptions):
    """Everything that may be chosen of ``backups`` beside the question and the circuit.

    **Raises** ``EditError`` for options that mean nothing, ``BudgetError`` for a budget that is
    smaller than the number of ablations.
    """

    ablations: Sequence[Ablation] = ABLATIONS
    """Each is reported for itself."""
    over: Over | None = None
    """Which nodes may be backups: those of the circuit's own search, else heads."""
    share: float = SHARE
    """Least growth of a backup, as a share of the effect of the corrupted prompt."""
    controls: int = CONTROLS
    """Random sets that are replaced instead of the circuit; with 0 no backup is claimed."""
    rounds: int = ROUNDS
    budget: int = _BUDGET
    """Forwards that may be spent beside the recording, in equal parts by ablation."""

    def __post_init__(self) -> None:
        listed = bool(self.ablations) and not isinstance(self.ablations, str)
        if not listed or self.share <= 0 or self.controls < 0 or self.rounds < 1:
            raise EditError(
                f"ablations={self.ablations!r}, share={self.share}, controls={self.controls}, "
                f"rounds={self.rounds}: give a list of ablations, a share above 0, no fewer than "
                "0 controls and at least 1 round."
            )
        if self.budget < len(self.ablations):
            raise BudgetError(
                f"budget={self.budget}: each of {len(self.ablations)} ablations needs at least 1 "
                "forward.",
                budget=self.budget,
                needed=len(self.ablations),
            )
