"""What shows results: importing this room registers every figure, story, page and file.

``results/views.py`` imports it by name when something is first to be shown. Nothing else does, so
that results can be made without what draws them.
"""

from pellucid.circuit.exchange import export
from pellucid.dictionary import export as export_dictionary
from pellucid.report import markdown, page
from pellucid.views import (
    analysis_story,
    analysis_summary,
    causal,
    edges,
    generation,
    lens_stories,
    lenses_on_heads,
    lenses_on_prompts,
    nodes,
    probing,
    steering,
    study,
)

__all__ = [
    "analysis_story",
    "analysis_summary",
    "causal",
    "edges",
    "export",
    "export_dictionary",
    "generation",
    "lens_stories",
    "lenses_on_heads",
    "lenses_on_prompts",
    "markdown",
    "nodes",
    "page",
    "probing",
    "steering",
    "study",
]
