"""The tables of remote sessions."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import Sequence, identity, json, metadata, moment, number, text

devices = sa.Table(
    "devices",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("name"),
    text("title"),
    text("address"),
    text("resource_id", null=True),
    moment("created_at"),
    text("created_by"),
    sa.UniqueConstraint("project_id", "name"),
)

access_services = sa.Table(
    "access_services",
    metadata,
    identity(),
    text("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE")),
    text("name"),
    text("protocol"),
    number("port"),
    text("login"),
    text("key_id", sa.ForeignKey("keys.id"), null=True),
    json("policy"),
    moment("created_at"),
    text("created_by"),
    sa.UniqueConstraint("device_id", "name"),
)
sa.Index("ix_access_services_key_id", access_services.c.key_id)

host_keys = sa.Table(
    "host_keys",
    metadata,
    sa.Column(
        "access_service_id",
        sa.ForeignKey("access_services.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    text("algorithm"),
    text("public"),
    text("state"),
    moment("seen_at"),
    moment("decided_at", null=True),
    text("decided_by", null=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("device_id", null=True),
    text("device"),
    text("access_service_id", null=True),
    text("access_service"),
    text("protocol"),
    text("login"),
    text("kind"),
    text("entrance"),
    text("person"),
    text("source"),
    text("correlation_id"),
    text("request_id"),
    json("groups"),
    json("scopes"),
    text("state"),
    number("shard", null=True),
    moment("asked_at"),
    moment("opened_at", null=True),
    moment("ended_at", null=True),
    text("reason", null=True),
    text("detail"),
    number("exit_status", null=True),
    text("command", null=True),
    sa.Column("recording", sa.Boolean, nullable=False),
    text("end_asked_by", null=True),
)
sa.Index("ix_sessions_project_id", sessions.c.project_id, sessions.c.id)
sa.Index("ix_sessions_state", sessions.c.state)
sa.Index("ix_sessions_access_service_id_state", sessions.c.access_service_id, sessions.c.state)

session_tickets = sa.Table(
    "session_tickets",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    text("session_id", sa.ForeignKey("sessions.id", ondelete="CASCADE")),
    text("purpose"),
    text("person"),
    text("source"),
    moment("expires_at"),
)
sa.Index("ix_session_tickets_expires_at", session_tickets.c.expires_at)

person_keys = sa.Table(
    "person_keys",
    metadata,
    identity(),
    text("person"),
    text("name"),
    text("algorithm"),
    sa.Column("fingerprint", sa.Text, nullable=False, unique=True),
    text("public"),
    moment("created_at"),
    moment("used_at", null=True),
    sa.UniqueConstraint("person", "name"),
)

person_certificates = sa.Table(
    "person_certificates",
    metadata,
    identity(),
    text("person"),
    sa.Column("serial", Sequence, nullable=False, unique=True),
    text("fingerprint"),
    moment("issued_at"),
    moment("expires_at"),
    moment("used_at", null=True),
)
sa.Index("ix_person_certificates_person", person_certificates.c.person)

key_rotations = sa.Table(
    "key_rotations",
    metadata,
    identity(),
    text("key_id", sa.ForeignKey("keys.id", ondelete="CASCADE")),
    text("state"),
    text("sealed", null=True),
    text("person"),
    text("correlation_id"),
    text("request_id"),
    text("source"),
    moment("asked_at"),
    moment("ended_at", null=True),
)
sa.Index("ix_key_rotations_key_id", key_rotations.c.key_id, key_rotations.c.id)
sa.Index("ix_key_rotations_state", key_rotations.c.state)

key_rotation_ways = sa.Table(
    "key_rotation_ways",
    metadata,
    sa.Column(
        "rotation_id", sa.ForeignKey("key_rotations.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "access_service_id",
        sa.ForeignKey("access_services.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    text("state"),
    text("detail"),
    sa.Column("proved", sa.Boolean, nullable=False),
    moment("changed_at"),
)
sa.Index("ix_key_rotation_ways_access_service_id", key_rotation_ways.c.access_service_id)
