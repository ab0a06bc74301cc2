"""Widgets for notebooks and dashboards: the same in JupyterLab, Notebook 7 and Voila.

>>> from mavis_kernel.widgets import InstanceTable, ProjectPicker
>>> picker = ProjectPicker()               # doctest: +SKIP
>>> table = InstanceTable(picker)          # doctest: +SKIP

A widget has two sides. The one here asks the appliance, with the client and the token of the
kernel; the one in the page (``mavis_kernel/js``) shows, and asks this side by messages. What a page
was shown and what was chosen there are traits; `mavis_kernel.widgets.conversation` has the rest.
`Terminal` and `Player` are the exception: their pages ask the appliance themselves
(`mavis_kernel.widgets.lab`).
"""

from __future__ import annotations

from mavis_kernel.widgets.backup_plan_editor import BackupPlanEditor
from mavis_kernel.widgets.instance_table import InstanceTable
from mavis_kernel.widgets.player import Player
from mavis_kernel.widgets.project_picker import ProjectPicker
from mavis_kernel.widgets.records import Records
from mavis_kernel.widgets.recovery_points import RecoveryPoints
from mavis_kernel.widgets.run_progress import RunProgress
from mavis_kernel.widgets.terminal import Terminal

__all__ = [
    "BackupPlanEditor",
    "InstanceTable",
    "Player",
    "ProjectPicker",
    "Records",
    "RecoveryPoints",
    "RunProgress",
    "Terminal",
]
