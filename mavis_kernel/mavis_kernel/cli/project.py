"""``mavis project``."""

from __future__ import annotations

from dataclasses import replace

import click

from mavis_kernel import profile as profiles
from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    every_command,
    fields_option,
    in_project,
    limit_option,
    sort_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, after, say, show_fields, show_list, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.models import Member, Project, Role

__all__ = ["project"]

_COLUMNS: tuple[Column[Project], ...] = (
    Column("NAME", lambda each: each.name),
    Column("TITLE", lambda each: each.title, shrinks=True),
    Column("PRODUCTION", lambda each: "production" if each.production else ""),
    Column("YOUR ROLE", lambda each: each.role or ""),
    Column("CREATED", lambda each: relative(each.created_at)),
)
_MEMBER_COLUMNS: tuple[Column[Member], ...] = (
    Column("SUBJECT", lambda each: each.subject),
    Column("ROLE", lambda each: each.role),
    Column("ADDED", lambda each: relative(each.added_at)),
    Column("BY", lambda each: each.added_by or ""),
)


def _subject(text: str) -> str:
    kind, _, name = text.partition(":")
    if kind not in ("user", "group") or not name:
        raise click.BadParameter(f"{text!r} says not who: write user:{text} or group:{text}.")
    return text


@click.group(cls=Group)
def project() -> None:
    """Projects and their members."""


@project.command("list")
@sort_option("name", "created_at")
@limit_option(200)
@fields_option
@common
@click.pass_obj
def list_(state: State, sort: str | None, limit: int) -> None:
    """List the projects that you may see."""
    show_list(
        state,
        state.client().projects.list(sort=sort, limit=after(limit), fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns="projects",
        empty=Empty(
            "You are in no project yet. Ask an administrator to grant you a role in one;"
            " platform administrators make one: mavis project create NAME."
        ),
        limit=limit,
    )


@project.command()
@click.argument("name", required=False, shell_complete=complete.projects)
@fields_option
@in_project
@common
@click.pass_obj
def show(state: State, name: str | None) -> None:
    """Show the project NAME, or the chosen one."""
    wanted, projects = name or state.project, state.client().projects
    if state.fields:
        show_fields(state, projects.get(wanted, fields=state.fields))
    else:
        _show(state, projects.get(wanted))


@project.command()
@click.argument("name")
@click.option("--title", help="What people read; else the name.")
@click.option("--production", is_flag=True, help="People depend on it: everything says so.")
@common
@click.pass_obj
def create(state: State, name: str, title: str | None, production: bool) -> None:
    """Make the project NAME; for platform administrators."""
    made = state.client().projects.create(name, title=title, production=production)
    _show(state, made)
    say(f"Connect a cloud account next: mavis environment add NAME -p {made.name} --help")


@project.command()
@click.argument("name", required=False, shell_complete=complete.projects)
@click.option("--title", help="What people read; else it stays.")
@click.option(
    "--production/--no-production",
    default=None,
    help="Whether people depend on it, so that everything says so; else it stays.",
)
@in_project
@common
@click.pass_obj
def edit(state: State, name: str | None, title: str | None, production: bool | None) -> None:
    """Change the title of the project NAME, or whether it is in production."""
    projects, wanted = state.client().projects, name or state.project
    before = projects.get(wanted)
    changed = projects.edit(
        wanted,
        title=before.title if title is None else title,
        production=before.production if production is None else production,
        if_match=before.etag,
    )
    _show(state, changed)


@project.command()
@click.argument("name", shell_complete=complete.projects)
@every_command
@click.pass_obj
def use(state: State, name: str) -> None:
    """Choose the project NAME for the commands that follow."""
    chosen = state.client().projects.get(name).name
    profiles.save(replace(state.profile, project=chosen), profiles.credentials_path())
    say(f"Commands are about project {chosen} now, where -p does not say otherwise.")


@project.command()
@fields_option
@in_project
@common
@click.pass_obj
def members(state: State) -> None:
    """List who is what in the project."""
    name = state.project
    show_list(
        state,
        state.client().members.list(name, fields=state.fields),
        _MEMBER_COLUMNS,
        id_of=lambda each: each.subject,
        nouns=f"members of project {name}",
        empty=Empty(
            f"Project {name} has no members yet. Add one:"
            f" mavis project grant user:NAME operator -p {name}"
        ),
    )


@project.command()
@click.argument("subject", type=_subject, metavar="SUBJECT")
@click.argument("role", type=click.Choice(Role.known()))
@in_project
@common
@click.pass_obj
def grant(state: State, subject: str, role: str) -> None:
    """Make SUBJECT (user:NAME or group:NAME) a ROLE of the project."""
    name = state.project
    made = state.client().members.grant(name, subject, role)
    if not state.is_table:
        _show_member(state, made)
    say(f"{subject} is {role} of project {name} now.")


@project.command()
@click.argument("subject", type=_subject, metavar="SUBJECT", shell_complete=complete.members)
@fields_option
@in_project
@common
@click.pass_obj
def member(state: State, subject: str) -> None:
    """Show what SUBJECT (user:NAME or group:NAME) is in the project."""
    name, members_of = state.project, state.client().members
    if state.fields:
        show_fields(state, members_of.get(name, subject, fields=state.fields))
    else:
        _show_member(state, members_of.get(name, subject))


@project.command()
@click.argument("subject", type=_subject, metavar="SUBJECT", shell_complete=complete.members)
@in_project
@yes_option
@every_command
@click.pass_obj
def revoke(state: State, subject: str, yes: bool) -> None:
    """Take SUBJECT (user:NAME or group:NAME) out of the project."""
    name, client = state.project, state.client()
    confirm_removal(f"{subject} from project {name}", yes=yes)
    client.members.revoke(name, subject)
    say(f"{subject} is no member of project {name} any more.")


def _show_member(state: State, item: Member) -> None:
    fields = [
        ("Subject", item.subject),
        ("Role", item.role),
        ("Added", both(item.added_at)),
        ("By", item.added_by),
    ]
    show_one(state, item, fields, id_text=item.subject)


def _show(state: State, item: Project) -> None:
    fields = [
        ("Name", item.name),
        ("Title", item.title),
        ("Id", item.id),
        ("Your role", item.role or "none"),
        ("Created", both(item.created_at)),
        ("By", item.created_by or ""),
    ]
    show_one(state, item, fields, id_text=item.id)
