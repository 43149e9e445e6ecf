"""Whether a file is one that Pellucid wrote: what is not is never replaced.

A result has its layout (``saved.py``). A report, a figure, or a circuit for another tool says in
itself who wrote it. A table is told by its columns, of whose names the last alone is quoted, which
nobody else does: a table of somebody else with the columns ``size,effect`` is not replaced.
"""

import os
import re
from pathlib import Path

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
    rb"|general\.description\x08\0\0\0[\s\S]{8}Written by Pellucid"  # a control vector (GGUF)
    rb'|"pellucid": \{"version": ',  # a circuit for EAP-IG
)
_COLUMNS = (
    "node,kind,layer,head,position,example",
    "sender,slot",
    "example,position,token",
    "prompt,layer,sublayer,position,token",
    "layer,neuron,activation,share,promotes,suppresses",
    "node,share,change,effect,indirect",
    "how,what,corrupted_prompt,changed,clean,corrupted,drop,verdict",
    "measure,effect,low,high",
    "fraction,asked,size,effect,low,high,kept_right",
    "size,effect",
    "position,token,id,log_probability",
    "layer,length,separation",
    "exchange,accuracy,logit_difference",
    "latent,activation,share,estimate,effect",
    "latent,bias,threshold,encoder_norm,decoder_norm",
    "latent,name,density,largest",
    "put_in,fvu,ce,kl",
    "site,layer,position,k,auroc,low,high",
    "how,scale,effect,low,high,kl,perplexity,accuracy",
    "model,method,kind,n_edges",
)
"""The first columns of the tables of results."""
_LAST_QUOTED = re.compile(rb'(?:[^"\r\n]+,)?"[^"\r\n]+"')
"""The names of columns as ``csv_table.py`` writes them."""
_HEAD, _TAIL = 4 << 20, 64 << 10
"""Bytes of a large file where the mark of ours stands; a report's data come behind its script."""
_RESULT = re.compile(rb'\s*\{\s*"schema": \d+,\s*"type": "')
"""How the JSON of a result begins."""


def is_ours(content: bytes) -> bool:
    """Whether Pellucid wrote this; an empty file is nobody's."""
    return not content or is_result(content) or _is_marked(content)


def is_our_file(path: Path) -> bool:
    """``is_ours`` of a file; of a large one no more is read than says so."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, os.SEEK_END)
        if size == len(head) or _RESULT.match(head):
            file.seek(0)
            return is_ours(file.read())
        file.seek(max(_HEAD, size - _TAIL))
        return _is_marked(head) or _is_marked(file.read())


def _is_marked(content: bytes) -> bool:
    return _is_table(content) or _SAYS_SO.search(content) is not None


def _is_table(content: bytes) -> bool:
    names = content.partition(b"\n")[0].rstrip(b"\r")
    if not _LAST_QUOTED.fullmatch(names):
        return False
    plain = names.replace(b'"', b"").decode(errors="replace")
    return any(f"{plain},".startswith(f"{columns},") for columns in _COLUMNS)
