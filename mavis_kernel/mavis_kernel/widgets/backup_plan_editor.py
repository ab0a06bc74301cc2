"""A backup plan as a form: what it says, what it would take, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.errors import MavisError
from mavis_kernel.widgets.conversation import Answering, Given
from mavis_kernel.widgets.failures import Message
from mavis_kernel.widgets.working import WorkingWidget

__all__ = ["BackupPlanEditor"]

_MOST = 200
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class BackupPlanEditor(WorkingWidget):
    """A form over the document of a backup plan, checked by the appliance as you write.

    Parameters
    ----------
    project, mavis
        As in `ProjectWidget`.
    plan
        Name of the plan that is edited; empty: a new one.

    Examples
    --------
    >>> editor = BackupPlanEditor("shop", plan="nightly")      # doctest: +SKIP
    >>> editor.definition                                      # doctest: +SKIP
    {'selection': {...}, 'rules': [...], ...}

    Notes
    -----
    A plan decides what is deleted, so it is written by the person in a browser: the editor shows
    what would be different, and leads to the page that asks whether to. It can write the document
    into a file, too, and says which command takes it.
    """

    plan = traitlets.Unicode(help="The plan that is edited; empty: a new one.").tag(sync=True)
    definition = traitlets.Dict(help="The document as it stands in the form.").tag(sync=True)

    def __init__(
        self,
        project: str | traitlets.HasTraits | None = None,
        *,
        plan: str = "",
        mavis: Mavis | None = None,
    ) -> None:
        super().__init__("backup_plan_editor", project, mavis=mavis, plan=plan)

    def _answering(self) -> Mapping[str, Answering]:
        return {
            **super()._answering(),
            "open": self._open,
            "check": self._check,
            "export": self._export,
        }

    def _open(self, given: Given) -> Message:
        """Return a plan as it is, and what the form has to know."""
        project, name = self.named(), given.text("plan")
        plans = self.mavis.backup_plans.list(project, limit=_MOST, fields=("name",))
        presets = self.mavis.backup_plans.presets(project)
        environments = self.mavis.environments.list(project, fields=("name",))
        found = self.mavis.backup_plans.get(project, name) if name else None
        return {
            "plans": [each.name for each in plans],
            "presets": [dict(each.raw) for each in islice(presets, _MOST)],
            "environments": [each.name for each in islice(environments, _MOST)],
            "plan": None if found is None else dict(found.raw),
            "why_not": self._why_not(project),
        }

    def _why_not(self, project: str) -> str:
        """Return why this person may not save from here; empty where they may."""
        role = self.mavis.projects.get(project, fields=("role",)).role
        if role != "admin":
            return f"Only an admin of {project} writes backup plans; you are {role}."
        return ""

    def _check(self, given: Given) -> Message:
        definition = given.document("definition")
        found = self.mavis.backup_plans.check(self.named(), given.text("name") or "new", definition)
        return dict(found.raw)

    def _export(self, given: Given) -> Message:
        """Write the document beside the notebook; an older file of that name stays."""
        name = given.text("name")
        if not _NAME.fullmatch(name):
            raise MavisError(
                f"{name!r} is no name of a plan.",
                mend="Use lower-case letters, digits and hyphens, a letter first.",
            )
        text = json.dumps(given.document("definition"), indent=2, ensure_ascii=False) + "\n"
        path = _new_file(name, text)
        verb = "create" if given.flag("new") else "edit"
        command = f"mavis backup-plan {verb} {name} -p {self.named()} -f {path.name}"
        return {"path": str(path), "command": command}


def _new_file(name: str, text: str) -> Path:
    for count in range(1, 1000):
        path = Path.cwd() / (f"{name}.json" if count == 1 else f"{name}-{count}.json")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as exc:
            raise MavisError(
                f"{path} could not be written: {exc.strerror}.",
                mend="Begin the notebook in a folder of yours.",
            ) from exc
        return path
    raise MavisError(f"There are too many files {name}-*.json.", mend="Remove some.")
