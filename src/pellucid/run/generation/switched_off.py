"""Edits that make parts of a model write nothing."""

from pellucid.model.model import Model
from pellucid.model.named_parts import PartNames, parts_named
from pellucid.model.sites import Site, site_of
from pellucid.run.edit import Edit


def switched_off(model: Model, parts: PartNames) -> tuple[Edit, ...]:
    """Edits by which ``parts`` write zero into the stream, one for each site.

    **Raises** ``EditError`` for a name that the model has no part of.
    """
    by_site: dict[Site, list[int] | None] = {}
    for part in parts_named(model.anatomy, parts):
        site = site_of(part)
        if part.head is None:
            by_site[site] = None
        elif (heads := by_site.setdefault(site, [])) is not None:
            heads.append(part.head)
    return tuple(
        Edit(site=site, heads=None if heads is None else tuple(heads))
        for site, heads in by_site.items()
    )
