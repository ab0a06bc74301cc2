"""Who comes to the front door, and what they do there: the door's ports, over desk and recordings.

A Hub token is asked of the Hub, and so are the groups of whoever comes with a key or a certificate:
a person whom the Hub does not know any more does not come in. Both give what an operator's notebook
has, reading and operating, and nothing of the rest. A certificate is looked at again for each
session, since a client keeps its connection for as long as it likes.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from jupyterhub.services.auth import HubAuth
from tornado.web import HTTPError

from mavis_core.access import RESERVED, CallContext, Permission, Principal, Scope
from mavis_core.config import Config
from mavis_core.errors import Forbidden, HostKeyUnknown, MavisError, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.service import Projects
from mavis_core.remote.desk import Desk
from mavis_core.remote.devices import Devices
from mavis_core.remote.model import EndReason, HostKey, Session, SessionKind
from mavis_core.remote.person_certificates import PersonCertificates
from mavis_core.remote.person_keys import PersonKeys, fingerprint_of
from mavis_core.remote.recording import Recorder, Recordings
from mavis_core.remote.ssh import fingerprint
from mavis_hub.gateway.door.ports import Direction, Ended, Opened, Person, Proof, Transfer, Wish
from mavis_hub.gateway.floor import header_of
from mavis_hub.gateway.notes import Notes, transfer_record
from mavis_hub.gateway.reading import Reading

__all__ = ["HubPeople", "Visitor", "Visits"]

logger = logging.getLogger(__name__)

_ACCESS = "access:services!service=mavis"
_BY_KEY = frozenset({Scope.READ, Scope.OPERATE})
_CACHE_S = 20
_HUB_S = 5.0
_MOST_STORIES = 10_000


@dataclass(frozen=True)
class Visitor(Person):
    """Somebody at the door, with what they may."""

    groups: frozenset[str] = frozenset()
    scopes: frozenset[Scope] = frozenset()


class HubPeople:
    """Who comes in, as the Hub and the registered keys say.

    Parameters
    ----------
    config
        Says where the Hub is.
    keys, certificates
        People's own.
    authority
        The public key that signs the certificates, as in ``authorized_keys``.
    """

    def __init__(
        self, config: Config, keys: PersonKeys, certificates: PersonCertificates, authority: str
    ) -> None:
        self._keys, self._certificates = keys, certificates
        self._authorities = (authority.split()[1],)
        self._api = f"http://127.0.0.1:{config.ports.hub}/hub/api"
        self._token = config.read_secret("gateway", "gateway-hub-token")
        self._auth = HubAuth(
            api_url=self._api,
            api_token=self._token,
            cache_max_age=_CACHE_S,
            access_scopes={_ACCESS},
        )

    def by_token(self, name: str, token: str, source: str) -> Visitor | None:  # noqa: ARG002  # the port's form
        """Return who `token` is, where that is `name`."""
        try:
            model = self._auth.user_for_token(token, sync=True)
        except HTTPError:
            logger.warning("door.hub_silent")
            return None
        if not model or model.get("kind") != "user" or model["name"] != name:
            return None
        if name.startswith(RESERVED) or not self._auth.check_scopes({_ACCESS}, model):
            return None
        held = {each.partition("!")[0] for each in model.get("scopes", ())}
        scopes = frozenset(scope for scope in Scope if scope.value in held)
        return Visitor(name, Proof.TOKEN, "", frozenset(model.get("groups") or ()), scopes)

    def by_key(self, name: str, public: str, source: str) -> Visitor | None:  # noqa: ARG002  # as above
        """Return the person `name` where the key is theirs and the Hub knows them."""
        blob = base64.b64decode(public)
        if self._keys.whose(blob) != name:
            return None
        groups = self._groups(name)
        if groups is None:
            return None
        return Visitor(name, Proof.KEY, fingerprint_of(blob), groups, _BY_KEY)

    def by_certificate(self, name: str, serial: int, identity: str, source: str) -> Visitor | None:  # noqa: ARG002  # as above
        """Return the person `name` where the certificate is theirs and the Hub knows them."""
        if name.startswith(RESERVED) or not self._certificates.good(name, serial):
            return None
        groups = self._groups(name)
        if groups is None:
            return None
        return Visitor(name, Proof.CERTIFICATE, str(serial), groups, _BY_KEY)

    def authorities(self) -> Sequence[str]:
        """Return the appliance's own."""
        return self._authorities

    def _groups(self, name: str) -> frozenset[str] | None:
        """Return the Hub groups of a person; None: it knows nobody of that name, or is silent."""
        try:
            answer = httpx.get(
                f"{self._api}/users/{quote(name, safe='')}",
                headers={"Authorization": f"token {self._token}"},
                timeout=_HUB_S,
                trust_env=False,
            )
            if answer.status_code != httpx.codes.OK:
                return None
            return frozenset(answer.json().get("groups") or ())
        except (httpx.HTTPError, ValueError):
            logger.warning("door.hub_silent")
            return None


@dataclass
class _Visit:
    """A session of the door that is open."""

    session: Session
    recorder: Recorder
    reading: Reading

    # of the door's `Page`

    def output(self, data: bytes) -> None:
        """Record what the device shows, and read along."""
        self.recorder.output(data)
        self.reading.shown(data)

    def input(self, data: bytes) -> None:
        """Take note of what is typed."""
        self.recorder.input(data)
        self.reading.typed(data)

    def resize(self, columns: int, rows: int) -> None:
        """Record the size of the terminal."""
        self.recorder.resize(columns, rows)
        self.reading.resize(columns)

    def marker(self, text: str) -> None:
        """Record something else that happened."""
        self.recorder.marker(text)


class Visits:
    """What is done at the door.

    Parameters
    ----------
    desk, projects, devices, keys, certificates
        Know what there is, who may what, and whose a key or a certificate is.
    recordings, notes
        Record it.
    check_room
        Raises where there may be no session more.
    """

    def __init__(
        self,
        desk: Desk,
        projects: Projects,
        devices: Devices,
        keys: PersonKeys,
        certificates: PersonCertificates,
        recordings: Recordings,
        notes: Notes,
        check_room: Callable[[], None],
    ) -> None:
        self._check_room = check_room
        self._desk, self._projects, self._devices, self._keys = desk, projects, devices, keys
        self._certificates = certificates
        self._recordings, self._notes = recordings, notes
        self._end: Callable[[str, EndReason, str], bool] = lambda *_: False
        self._lock = threading.Lock()
        self._open: dict[str, _Visit] = {}
        self._stories: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    def ends_by(self, end: Callable[[str, EndReason, str], bool]) -> None:
        """Have sessions that cannot be recorded any more ended by `end`."""
        self._end = end

    def begin(self, wish: Wish) -> Opened:
        """Return the session, recorded from here on, where the person may have it.

        Raises
        ------
        MavisError
            They may not, there is no such device, or it cannot be recorded.
        """
        self._still_good(wish.person)
        ctx = self._call(wish)
        project = self._project(ctx, wish)
        session = self._desk.begin(
            ctx, project, wish.device, service=wish.service, kind=wish.kind, command=wish.command
        )
        try:
            self._check_room()
            way = self._desk.way(session)
            session = self._desk.opened(session)
            recorder = self._recordings.open(
                header_of(session, way, (wish.columns, wish.rows)),
                on_failure=lambda error: self._unrecorded(session.id, error),
            )
        except MavisError as exc:
            self._desk.ended(session, EndReason.REFUSED, exc.message, error=exc)
            raise
        terminal = wish.kind is SessionKind.TERMINAL
        reading = Reading(session, self._notes, terminal=terminal, columns=wish.columns)
        visit = _Visit(session, recorder, reading)
        with self._lock:
            self._open[session.id] = visit
        if wish.person.proof is Proof.KEY:
            self._keys.used(wish.person.detail)
        elif wish.person.proof is Proof.CERTIFICATE:
            self._certificates.used(int(wish.person.detail))
        return Opened(session.id, way.endpoint, way.policy, visit)

    def transferred(self, session: str, transfer: Transfer) -> None:
        """Record a file that went."""
        with self._lock:
            visit = self._open[session]
        went = "to" if transfer.direction is Direction.UPLOAD else "from"
        visit.recorder.marker(f"{transfer.path} {went} the device, {transfer.size_bytes} bytes")
        self._notes.add(transfer_record(visit.session, transfer))

    def end(self, session: str, ended: Ended) -> None:
        """Close the session, and its page."""
        with self._lock:
            visit = self._open.pop(session, None)
        if visit is None:
            return
        visit.reading.end()
        visit.recorder.close(ended.exit_status, ended.reason, ended.detail)
        if visit.session.kind is SessionKind.COMMAND and ended.error is None:
            visit.reading.tell_command(ended.exit_status)
        if isinstance(ended.error, HostKeyUnknown):  # or another one than was approved
            seen = ended.error
            key = HostKey(seen.algorithm, fingerprint(seen.public), seen.public)
            self._desk.saw(visit.session, key)
        self._desk.ended(
            visit.session,
            ended.reason,
            ended.detail or "It ended",
            exit_status=ended.exit_status,
            error=ended.error,
        )

    def _still_good(self, person: Person) -> None:
        if person.proof is Proof.CERTIFICATE and not self._certificates.good(
            person.name, int(person.detail)
        ):
            raise Forbidden(
                f"The certificate {person.detail} is over, or was revoked",
                mend="Get another one, `mavis ssh login`, and connect again.",
            )

    def _call(self, wish: Wish) -> CallContext:
        person = wish.person
        assert isinstance(person, Visitor)  # noqa: S101  # `HubPeople` makes no others
        with self._lock:
            if len(self._stories) > _MOST_STORIES:  # of connections that are long gone
                self._stories.clear()
            story = self._stories.setdefault(wish.connection, new_id("cor"))
        return CallContext(
            principal=Principal(person.name, person.groups),
            scopes=person.scopes,
            correlation_id=story,
            source=wish.source,
        )

    def _project(self, ctx: CallContext, wish: Wish) -> str:
        """Return the project that was named, or the only one of the person's with the device."""
        if wish.project is not None:
            return wish.project
        found = []
        for each in self._projects.where(ctx, Permission.SESSION_OPEN):
            with suppress(NotFound):
                self._devices.get(ctx, each.project.id, wish.device)
                found.append(each.project.name)
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFound(
                f"No device {wish.device[:60]!r} in the projects in which {ctx.principal.name} may"
                " open sessions",
                mend="`mavis device list` shows the devices of a project.",
            )
        raise NotFound(
            f"A device {wish.device} is in several projects: {', '.join(sorted(found))}",
            mend=f"Name the project, too: {ctx.principal.name}:{found[0]}/{wish.device}.",
        )

    def _unrecorded(self, session: str, error: MavisError) -> None:
        detail = f"It could not be recorded any more: {error.message}"
        threading.Thread(
            target=self._end,
            args=(session, EndReason.UNRECORDED, detail),
            name=f"{session}-unrecorded",
            daemon=True,
        ).start()
