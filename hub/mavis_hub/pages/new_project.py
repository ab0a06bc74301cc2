"""The page on which an administrator of the platform makes a project."""

from __future__ import annotations

from mavis_core.access import Permission
from mavis_core.errors import Conflict, InvalidInput
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage

__all__ = ["NewProject"]

_PURPOSE = "new project"


class NewProject(PersonPage):
    """A form with a name, a title, and whether people depend on it."""

    def get(self) -> None:
        """Show it.

        Raises
        ------
        Forbidden
            The reader does not administer the platform.
        """
        self.ctx.require(Permission.PROJECT_CREATE)
        self._show()

    async def post(self) -> None:
        """Make the project, and go to its page."""
        try:
            await self.recorded(self._make())
        except (Conflict, InvalidInput) as exc:
            self.set_status(exc.status)
            self._show(fault=f"{exc.message}. {exc.mend}")

    async def _make(self) -> None:
        self.check_form(_PURPOSE)
        name, title = (self.get_body_argument(each, "").strip() for each in ("name", "title"))
        production = self._production()
        made = await self.ask(
            lambda: self.app.projects.create(
                self.ctx, name=name, title=title, production=production
            )
        )
        self.redirect(f"{PREFIX}/projects/{made.project.name}", status=303)

    def _production(self) -> bool:
        return self.get_body_argument("production", "") == "yes"

    def _show(self, *, fault: str = "") -> None:
        self.show(
            "new_project.html",
            fault=fault,
            name=self.get_body_argument("name", ""),
            title=self.get_body_argument("title", ""),
            production=self._production(),
            ticket=self.ticket(_PURPOSE),
            xsrf=self.xsrf,
        )
