# Made from aio/nouns/environments.py by `make client`: edit that.
"""Environments: the cloud accounts of a project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mavis_kernel.models import Environment, Run
from mavis_kernel.transport import Transport, segment

__all__ = ["Environments"]


class Environments:
    """The environments of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str, *, fields: Sequence[str] | None = None) -> Iterator[Environment]:
        """Yield the environments of `project`."""
        return self._transport.whole_list(Environment, _path(project), fields=fields)

    def get(self, project: str, name: str, *, fields: Sequence[str] | None = None) -> Environment:
        """Return the environment `name` of `project`."""
        return self._transport.get(Environment, _path(project, name), fields=fields)

    def add(
        self,
        project: str,
        name: str,
        *,
        account: str,
        regions: Sequence[str],
        kit: str = "aws",
        key: str | None = None,
        options: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Environment:
        """Connect a cloud account to `project`.

        Parameters
        ----------
        project, name
            The project's name or id, and what the environment shall be called.
        account
            The account's number; a connection to another account is refused.
        regions
            The regions to look at, at least one.
        kit
            The expansion kit.
        key
            The name of a key in the vault; None for the appliance's own credentials.
        options
            What the kit takes besides; for AWS ``profile``, ``role_arn``, ``external_id``.
        idempotency_key
            As in `Projects.create`.
        """
        body = {
            "name": name,
            "kit": kit,
            "account": account,
            "regions": list(regions),
            "key": key,
            "options": dict(options or {}),
        }
        return self._transport.post(
            Environment, _path(project), body, idempotency_key=idempotency_key
        )

    def remove(self, project: str, name: str, *, if_match: str | None = None) -> None:
        """Disconnect the environment `name`. Nothing changes in the cloud.

        Parameters
        ----------
        if_match
            `Environment.etag` as it was read: only where that is still so; None: whatever it is.
        """
        self._transport.delete(_path(project, name), if_match=if_match)

    def discover(
        self, project: str, name: str | None = None, *, idempotency_key: str | None = None
    ) -> Run:
        """Begin to look for resources in the environment `name`, or in all of `project`."""
        body = {} if name is None else {"environment": name}
        path = f"/projects/{segment(project)}/discoveries"
        return self._transport.post(Run, path, body, idempotency_key=idempotency_key)


def _path(project: str, name: str | None = None) -> str:
    path = f"/projects/{segment(project)}/environments"
    return path if name is None else f"{path}/{segment(name)}"
