"""Tab in a cell: arguments of the magics, and names in calls of the client.

``%snapshot we`` and ``mavis.resources.get("shop", "we`` are both completed with what the appliance
has. The words of a magic are completed as click completes a shell's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from mavis_kernel.notebook.later import Later
from mavis_kernel.notebook.magics import LineMagic, split
from mavis_kernel.notebook.names import PATIENCE_S, Names
from mavis_kernel.notebook.session import Session

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, Matcher, SimpleMatcherResult

__all__ = ["MATCHER", "matcher_for"]

MATCHER = "mavis"

_MAGIC = re.compile(r"(?:^|=)\s*(?P<sign>%%?)(?P<name>\w+)(?P<line>\s.*)$")
_CALL = re.compile(r"\b(?P<client>\w+)\.(?P<noun>\w+)\.(?P<verb>\w+)\((?P<arguments>[^()]*)$")
_OPEN_TEXT = re.compile(r"""^\s*(?:(?P<named>\w+)\s*=\s*)?(?P<quote>["'])(?P<begun>[^"']*)$""")
_TEXT = re.compile(r"""^\s*(?:\w+\s*=\s*)?["'](?P<text>[^"']*)["']\s*$""")
_BY_PARAMETER = {
    "project": "projects",
    "resource": "resources",
    "instance": "instances",
    "point": "points",
    "point_id": "points",
    "run_id": "runs",
    "restore_id": "restores",
    "plan": "plans",
    "environment": "environments",
}
_BY_NOUN = {("environments", "name"): "environments", ("projects", "name"): None}


def matcher_for(
    session: Session,
    magics: Mapping[str, LineMagic],
    of_cells: Mapping[str, LineMagic],
    namespace: Mapping[str, object],
) -> Matcher:
    """Return what IPython's completer asks, by the second version of its API."""
    names = Names(PATIENCE_S)
    by_sign = {"%": magics, "%%": of_cells}

    @context_matcher(identifier=MATCHER)  # type: ignore[untyped-decorator]  # IPython's own
    def mavis_matcher(context: CompletionContext) -> SimpleMatcherResult:
        begun, found = _found_for(context.text_until_cursor)
        return {
            "completions": [SimpleCompletion(text, type="mavis") for text in found],
            "matched_fragment": begun,
            "suppress": bool(found),
            "ordered": True,
        }

    def _found_for(text: str) -> tuple[str, Sequence[str]]:
        magic = _MAGIC.search(text)
        if magic is not None and magic["name"] in (known := by_sign[magic["sign"]]):
            return _of_magic(known[magic["name"]], magic["line"], names)
        call = _CALL.search(text)
        if call is not None and _is_client(namespace.get(call["client"])):
            return _of_call(session, call, names, namespace)
        return "", ()

    return mavis_matcher  # type: ignore[no-any-return]  # as above


def _of_magic(magic: LineMagic, line: str, names: Names) -> tuple[str, Sequence[str]]:
    """Return the word that is begun, and what it may become."""
    try:
        words = split(line)
    except ValueError:
        return "", ()
    begun = "" if not words or line[-1].isspace() else words.pop()
    project = magic.session.chosen_project
    return begun, names.get(
        (magic.name, *words, begun, project), lambda: magic.complete(words, begun)
    )


def _of_call(
    session: Session, call: re.Match[str], names: Names, namespace: Mapping[str, object]
) -> tuple[str, Sequence[str]]:
    *before, last = _pieces(call["arguments"])
    open_text = _OPEN_TEXT.match(last)
    if open_text is None:
        return "", ()
    parameter = open_text["named"] or _parameter(session, call, len(before))
    wanted = _BY_NOUN.get((call["noun"], parameter or ""), _BY_PARAMETER.get(parameter or ""))
    if wanted is None:
        return "", ()
    project = _project(before, namespace) if wanted != "projects" else None
    begun = open_text["begun"]
    return begun, names.get((wanted, project, begun), lambda: _ask(session, wanted, project, begun))


def _pieces(arguments: str) -> list[str]:
    """Return the arguments of a call; commas within quotes part none."""
    return re.split(r""",(?=(?:[^"']*["'][^"']*["'])*[^"']*["']?[^"']*$)""", arguments)


def _parameter(session: Session, call: re.Match[str], at: int) -> str | None:
    """Return the name of the parameter at the place `at` of the method that is called."""
    verb = getattr(getattr(session.client, call["noun"], None), call["verb"], None)
    if not callable(verb):
        return None
    places = [
        each.name
        for each in inspect.signature(verb).parameters.values()
        if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    return places[at] if at < len(places) else None


def _project(before: Sequence[str], namespace: Mapping[str, object]) -> str | None:
    """Return the project that the first argument names: as text, or as a variable."""
    if not before:
        return None
    text = _TEXT.match(before[0])
    if text is not None:
        return text["text"]
    value = namespace.get(before[0].strip())
    return value if isinstance(value, str) else None


def _ask(session: Session, wanted: str, project: str | None, begun: str) -> Sequence[str]:
    import click  # noqa: PLC0415 - the Tab key was pressed

    from mavis_kernel.cli import complete  # noqa: PLC0415 - as above
    from mavis_kernel.notebook.state import NotebookState  # noqa: PLC0415 - as above

    state = NotebookState(session=session, chosen_project=project)
    context = click.Context(click.Command("names"), obj=state)
    ask: Callable[..., Sequence[Any]] = getattr(complete, wanted)
    return [item.value for item in ask(context, click.Argument(["name"]), begun)]


def _is_client(found: object) -> bool:
    if type(found) is Later:
        return True
    return type(found).__name__ in ("Mavis", "AsyncMavis")
