# Made from aio/nouns/resources.py by `make client`: edit that.
"""Resources: what was discovered in the environments of a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mavis_kernel.errors import NotFound
from mavis_kernel.models import Resource
from mavis_kernel.transport import Transport, segment

__all__ = ["Resources"]

# A strict proxy refuses these in a path, quoted or not; a resource's name may hold them.
_NOT_FOR_A_PATH = frozenset("/\\;%?#")


class Resources:
    """The resources of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        kind: str | None = None,
        environment: str | None = None,
        region: str | None = None,
        query: str | None = None,
        gone: bool = False,
        sort: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Resource]:
        """Yield the resources of `project` that match every filter given.

        Parameters
        ----------
        project
            Name or id.
        kind, environment, region
            Exactly this; None for any.
        query
            A part of name, cloud id or tags.
        gone
            Yield what the last discovery did not meet any more, too.
        sort
            A field, with a minus the largest first; None for the usual order. What there is:
            ``name``, ``kind``, ``region``, ``state``, ``seen_at``.
        limit
            Yield at most so many; None for all.
        """
        params = {
            "kind": kind,
            "environment": environment,
            "region": region,
            "q": query,
            "gone": gone,
            "sort": sort,
        }
        path = _path(project)
        return self._transport.list(Resource, path, params, limit=limit, fields=fields)

    def get(self, project: str, resource: str, *, fields: Sequence[str] | None = None) -> Resource:
        """Return the resource with the id, cloud id or name `resource`."""
        if _NOT_FOR_A_PATH.isdisjoint(resource):
            path = f"{_path(project)}/{segment(resource)}"
            return self._transport.get(Resource, path, fields=fields)
        wanted = None if fields is None else [*fields, "name"]
        for each in self.list(project, query=resource, fields=wanted):
            if each.name == resource:
                return each
        raise NotFound(f"There is no resource {resource!r} in project {project}.")


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/resources"
