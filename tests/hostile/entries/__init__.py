"""Every public call with arguments that are right, and what is wrong for each of them."""

from tests.hostile.entries.analyses import ANALYSES
from tests.hostile.entries.circuits import CIRCUITS
from tests.hostile.entries.questions import QUESTIONS
from tests.hostile.entries.runs import RUNS
from tests.hostile.entries.scores import SCORES

ENTRIES = {**QUESTIONS, **RUNS, **SCORES, **CIRCUITS, **ANALYSES}
