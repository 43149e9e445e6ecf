"""Five hundred changes of saved results.

The short form is in ``tests/results/test_checksum.py``.
"""

import pytest

import pellucid
from tests.results.edits import demand_edits_are_seen

pytestmark = pytest.mark.soak


def test_five_hundred_edits_are_seen(one_tiny, pair, tmp_path):
    results = [
        pellucid.attribute(one_tiny, pair),
        pellucid.patch(one_tiny, pair, sites="resid", positions="each"),
        pellucid.logit_lens(one_tiny, pair.clean),
        pellucid.discover_edges(one_tiny, pair, method="top", size=5, insist=True),
        pellucid.analyze(one_tiny, pair, insist=True, random_sets=2),
        pellucid.study(one_tiny, {"a": pair}, insist=True),
    ]
    demand_edits_are_seen(results, tmp_path, count=500, seed=1)
