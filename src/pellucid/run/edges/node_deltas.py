"""What replacing each node would change in the stream, kept while a run with cut edges goes on.

An edge may be cut in part: then ``cut`` holds shares between 0 and 1 instead of truth values, and
gradients pass to them.
"""

from typing import TypeAlias

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.model.anatomy import Anatomy, Attention, Slot
from pellucid.model.residual_scaling import times
from pellucid.model.sites import Site, site_of
from pellucid.run.edges.products import arriving

Shares: TypeAlias = Bool[Tensor, "variant sender slot"] | Float[Tensor, "variant sender slot"]
"""Which edges are cut, or how much of each is."""


def touched(cut: Shares) -> Bool[Tensor, "variant sender slot"]:
    """Edges at which a run differs from an uncut one, or a gradient is wanted."""
    return torch.ones_like(cut, dtype=torch.bool) if cut.requires_grad else cut != 0


class Changes:
    """Replaced minus computed term of every node that is cut somewhere, for a chunk of variants.

    Heads in front of a norm (Gemma 2) have no term of their own: what their layer adds is the norm
    of the sum of their outputs, so it is computed anew for every reader.
    """

    def __init__(self, anatomy: Anatomy, cut: Shares, rows: int):
        self.anatomy = anatomy
        self.variants, self.rows = len(cut), rows
        self._senders = touched(cut).any(2).any(0).nonzero()[:, 0]
        self._at: dict[Site, slice] = {}
        self._nodes = [anatomy.nodes[i] for i in self._senders.tolist()]
        for column, node in enumerate(self._nodes):
            begin = self._at.get(site_of(node), slice(column, column)).start
            self._at[site_of(node)] = slice(begin, column + 1)
        self._held: Tensor | None = None
        self._apart: dict[Site, Tensor] = {}
        self._layers_output: dict[int, Tensor] = {}

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where something is cut, and its change must be noted."""
        return tuple(self._at)

    def note(self, site: Site, replaced: Tensor, computed: Tensor) -> None:
        """Keep the change at ``site``; ``computed`` holds rows of one variant, or of all."""
        columns = self._at[site]
        spread = computed.unflatten(0, (-1, self.rows))  # variant row pos (head) d
        change = replaced.to(computed.dtype) - spread
        if site.kind == "z":
            attention = self.anatomy.blocks[site.layer].attention
            assert attention is not None
            written = self._written(attention, change, columns)
            if attention.post_norms:
                # The layer's own forward: this is called from a hook on it.
                output = attention.out_proj.forward(computed.flatten(-2))
                self._layers_output[site.layer] = output
        else:
            written = change[:, None]
        if written.requires_grad:
            self._apart[site] = written
            return
        if self._held is None:
            shape = (self.variants, len(self._senders), *written.shape[2:])
            self._held = written.new_zeros(shape)
        self._held[:, columns] = written

    def _so_far(self) -> Float[Tensor, "variant sender row pos d_model"]:
        """The changes of all senders; zeros for those that have not run.

        What gradients pass through cannot be written into one tensor, so it is put together anew.
        """
        if not self._apart:
            assert self._held is not None
            return self._held
        like = next(iter(self._apart.values()))
        parts = []
        for site, columns in self._at.items():
            blank = like.new_zeros(1, columns.stop - columns.start, *like.shape[2:])
            noted = blank if self._held is None else self._held[:, columns]
            parts.append(self._apart.get(site, noted).expand(self.variants, *blank.shape[1:]))
        return torch.cat(parts, dim=1)

    def _written(
        self, attention: Attention, change: Tensor, columns: slice
    ) -> Float[Tensor, "variant head row pos d_model"]:
        heads = [node.head for node in self._nodes[columns]]
        written = einsum(
            change[..., heads, :],
            attention.head_weight()[heads].to(change.dtype),
            "variant row pos head d_head, head d_head d_model -> variant head row pos d_model",
        )
        return written if attention.post_norms else times(written, attention.write.scale)

    def reaching(self, slot: Slot, cut: Shares) -> Float[Tensor, "variant slot row pos d_model"]:
        """Sums of the changes on the cut edges of slots, which read where ``slot`` does."""
        changes = self._so_far()
        mask = cut[:, self._senders].to(changes.dtype).mT  # variant slot sender
        behind = {Site("z", layer): output for layer, output in self._layers_output.items()}
        through = [
            self._through_norm(site, mask, output, changes)
            * self.anatomy.carried(site.layer, "head", slot)
            for site, output in behind.items()
        ]
        if behind:
            plainly = torch.ones_like(mask[0, 0])
            for site in behind:
                plainly[self._at[site]] = 0
            mask = mask * plainly
        held = arriving(self.anatomy, changes, self._nodes, slot)
        plain = (mask @ held.flatten(2)).unflatten(-1, changes.shape[2:])
        return sum(through, plain)

    def _through_norm(
        self,
        site: Site,
        mask: Float[Tensor, "variant slot sender"],
        output: Tensor,
        changes: Float[Tensor, "variant sender row pos d_model"],
    ) -> Float[Tensor, "variant slot row pos d_model"]:
        """How the term of a layer whose heads go through norms changes with some replaced."""
        attention = self.anatomy.blocks[site.layer].attention
        assert attention is not None
        columns = self._at[site]
        moved = mask[:, :, columns] @ changes[:, columns].flatten(2)
        before = output.reshape(-1, 1, self.rows, *output.shape[1:])
        after = before + moved.unflatten(-1, changes.shape[2:])
        for norm in attention.post_norms:
            # The norm's own forward: hooks on it are for the model's run.
            before, after = norm.forward(before), norm.forward(after)
        return times(after - before, attention.write.scale)
