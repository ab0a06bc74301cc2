"""``/projects/{p}/records/events``, ``/records/events``: records as they arrive."""

from __future__ import annotations

from mavis_core.access import Permission
from mavis_ext.answers import RecordStream
from mavis_ext.handlers.records import RecordFilters
from mavis_ext.operation import operation
from mavis_ext.record_following import Reach, RecordFollowing

__all__ = ["AllRecordEvents", "RecordEvents"]


class RecordEvents(RecordFollowing):
    """The records of a project, as they arrive."""

    @operation("follow_records", Permission.RECORD_READ)
    async def get(self, project: str, *, query: RecordFilters) -> RecordStream:
        """Follow the records of a project by server-sent events, without an end.

        Each event `record` has a record as its data; an event `missed` says with its `count` how
        many came that are not told, since whoever reads is slow or was away for long; an event
        `waiting` comes at once, and whenever a while passes without another. Whoever comes back
        with the id of the last event as `Last-Event-ID` hears of what came since. Records come in
        the order in which they were written. An event `problem` says why a stream ends. Reading
        them is recorded, once an hour for a person and a project: `record.read`.
        """

        def reach() -> Reach:
            found = self.app.projects.authorize(self.ctx, project, Permission.RECORD_READ).project
            self.app.looks.told(self.ctx, [found.id])
            return Reach(frozenset({found.id}), {found.id: found.name})

        await self.follow_records(reach, query.model_dump())
        return RecordStream()


class AllRecordEvents(RecordFollowing):
    """The records of the platform and of all projects, as they arrive."""

    @operation("follow_all_records", Permission.RECORD_READ_ALL)
    async def get(self, *, query: RecordFilters) -> RecordStream:
        """Follow the records of the platform and of all projects by server-sent events."""

        def reach() -> Reach:
            self.ctx.require(Permission.RECORD_READ_ALL)
            self.app.looks.told(self.ctx, None)
            return Reach(None, {})

        await self.follow_records(reach, query.model_dump())
        return RecordStream()
