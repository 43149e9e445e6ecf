"""Whether a file is one that Pellucid wrote: what is not is never replaced.

A result has its layout (``saved.py``). A report, a figure, or a circuit for another tool says in
itself who wrote it. A table can say nothing, and is told by its first columns.
"""

import re

from pellucid.results.disk.saved import is_result

WRITTEN_BY = "Written by Pellucid"
"""What is put into figures, Markdown, GraphML and DOT, where readers do not see it.

Looked for in the very place: a text that says these words is not ours.
"""
_SAYS_SO = re.compile(
    rb"<!-- Written by Pellucid -->"  # Markdown, GraphML
    rb'|comment="Written by Pellucid";'  # DOT
    rb"|tEXtSoftware\0Written by Pellucid"  # PNG
    rb"|<dc:title>Written by Pellucid</dc:title>"  # SVG
    rb"|Written by `pellucid zoo run --write`"  # the zoo's page
    rb'|<script type="application/json" id="pellucid-data">'  # a page
    rb"|/Title ?\(Pellucid: "  # a page on paper
    rb'|"generator": \{"name": "pellucid"'  # a graph for Neuronpedia
    rb'|"pellucid": \{"version": ',  # a circuit for EAP-IG
)
_TABLES = (
    b"node,kind,layer,head,position,example,",
    b"sender,slot,",
    b"example,position,token,",
    b"prompt,layer,sublayer,position,token,",
    b"layer,neuron,activation,share,promotes,suppresses\n",
    b"node,share,change,effect,indirect\n",
    b"how,what,corrupted_prompt,changed,clean,corrupted,drop,verdict\n",
    b"measure,effect,low,high\n",
    b"fraction,asked,size,effect,low,high,kept_right\n",
    b"size,effect\n",
    b"model,method,kind,n_edges,",
)
"""How the tables of results begin."""


def is_ours(content: bytes) -> bool:
    """Whether Pellucid wrote this; an empty file is nobody's."""
    if not content or is_result(content):
        return True
    return content.startswith(_TABLES) or _SAYS_SO.search(content) is not None
