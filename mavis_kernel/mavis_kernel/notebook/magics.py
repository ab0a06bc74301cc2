"""Magics that are commands of click: parsed, explained and completed as a shell's are."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, ClassVar

from mavis_kernel.errors import MavisError
from mavis_kernel.notebook.session import Session

if TYPE_CHECKING:  # loaded when a magic is used
    import click

    from mavis_kernel.notebook.state import NotebookState

__all__ = ["CellMagic", "LineMagic", "WrongUsage", "split"]


class WrongUsage(MavisError):
    """A magic was called in a way that it does not know. Nothing was done."""

    exit_code: ClassVar[int] = 2


class LineMagic:
    """A command as a line magic.

    Parameters
    ----------
    name
        Without the percent sign.
    session
        What the kernel knows.
    load
        Returns the command.
    """

    sign: ClassVar[str] = "%"

    def __init__(self, name: str, session: Session, load: Callable[[], click.Command]) -> None:
        self.name = name
        self.session = session
        self._load = load

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sign}{self.name}>"

    def __call__(self, line: str) -> object:
        """Do what `line` says, and return what the command returns."""
        return self._invoked(line, self.state)

    def _invoked(self, line: str, state: NotebookState) -> object:
        import click  # noqa: PLC0415 - loaded when a magic is used

        words = self._words(line)
        try:
            # What a command tells besides its data is no alarm in a notebook.
            with redirect_stderr(sys.stdout), self._context(words, state) as context:
                return self.command.invoke(context)
        except click.exceptions.Exit:
            return None
        except click.exceptions.NoArgsIsHelpError as exc:
            click.echo(exc.format_message())
            return None
        except click.Abort as exc:
            raise WrongUsage(
                f"{self.sign}{self.name} asks for something that a cell cannot be asked.",
                mend="Say it in the call, or call it in a terminal: File, New, Terminal.",
            ) from exc
        except click.ClickException as exc:
            raise self._wrong(exc.format_message(), exc) from None

    @property
    def command(self) -> click.Command:
        """The command."""
        return self._load()

    @property
    def state(self) -> NotebookState:
        """What the command is given: the kernel's client and project."""
        from mavis_kernel.notebook.state import NotebookState  # noqa: PLC0415 - as above

        return NotebookState(session=self.session)

    def complete(self, words: list[str], begun: str) -> list[str]:
        """Return what the word that `begun` begins may become, after `words`."""
        from click.shell_completion import ShellComplete  # noqa: PLC0415 - as above

        completing = ShellComplete(self.command, {"obj": self.state}, self.name, "")
        return [item.value for item in completing.get_completions(words, begun)]

    def getdoc(self) -> str:
        """Return the command's help: what ``%name?`` or ``%%name?`` shows."""
        import click  # noqa: PLC0415 - as above

        return self.command.get_help(
            click.Context(self.command, info_name=f"{self.sign}{self.name}")
        )

    def _context(self, words: list[str], state: NotebookState) -> click.Context:
        return self.command.make_context(f"{self.sign}{self.name}", words, obj=state)

    def _words(self, line: str) -> list[str]:
        try:
            return split(line)
        except ValueError as exc:
            raise self._wrong(f"{line!r} cannot be read: {exc}.", None) from None

    def _wrong(self, message: str, error: click.ClickException | None) -> WrongUsage:
        import click  # noqa: PLC0415 - as above

        context = getattr(error, "ctx", None) or click.Context(
            self.command, info_name=f"{self.sign}{self.name}"
        )
        return WrongUsage(message, mend=f"{context.get_usage()}. More: {self.sign}{self.name}?")


class CellMagic(LineMagic):
    """A command as a magic of a cell, which has the cell as ``state.cell``."""

    sign = "%%"

    def __call__(self, line: str, cell: str = "") -> object:
        """Do with `cell` what `line` says, and return what the command returns."""
        state = self.state
        state.cell = cell
        return self._invoked(line, state)


def split(line: str) -> list[str]:
    """Return the words of `line`, as a shell has them; a semicolon at the end is none.

    Raises
    ------
    ValueError
        A quotation mark is not closed.
    """
    return shlex.split(line.rstrip().removesuffix(";"))
