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

    def list(self, project: str) -> Iterator[Environment]:
        """Yield the environments of `project`."""
        for item in self._transport.pages(_path(project), {}, limit=None):
            yield Environment.from_json(item)

    def get(self, project: str, name: str) -> Environment:
        """Return the environment `name` of `project`."""
        return Environment.from_json(self._transport.get(f"{_path(project)}/{segment(name)}"))

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
        """
        body = {
            "name": name,
            "kit": kit,
            "account": account,
            "regions": list(regions),
            "key": key,
            "options": dict(options or {}),
        }
        return Environment.from_json(self._transport.post(_path(project), body).body)

    def remove(self, project: str, name: str) -> None:
        """Disconnect the environment `name`. Nothing changes in the cloud."""
        self._transport.delete(f"{_path(project)}/{segment(name)}")

    def discover(self, project: str, name: str | None = None) -> Run:
        """Begin to look for resources in the environment `name`, or in all of `project`."""
        body = {} if name is None else {"environment": name}
        answer = self._transport.post(f"/projects/{segment(project)}/discoveries", body)
        return Run.from_json(answer.body)


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/environments"
