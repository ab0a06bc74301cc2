"""What the client can do, where a cell shows the client itself or one of its nouns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mavis_kernel.notebook.later import Later

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["NOUNS", "show_overviews", "show_reprs"]

_CLIENTS = ("mavis_kernel.client.Mavis", "mavis_kernel.aio.client.AsyncMavis")
NOUNS = (
    "BackupPlans",
    "Dashboards",
    "Devices",
    "Environments",
    "Keys",
    "Members",
    "PersonCertificates",
    "PersonKeys",
    "Previews",
    "Projects",
    "Records",
    "RecoveryPoints",
    "Reports",
    "Resources",
    "Restores",
    "Runs",
    "Sessions",
)
"""The classes of the client's nouns, each in the module of its name."""


def show_overviews(shell: InteractiveShell) -> None:
    """Let `shell` show what can be asked of the client, and of each noun."""
    plain = _plain(shell)
    for module, name in _places(_CLIENTS):
        plain.for_type_by_name(module, name, _print_client)
    for module, name in _places(_noun_classes()):
        plain.for_type_by_name(module, name, _print_noun)


def show_reprs(shell: InteractiveShell) -> None:
    """Let `shell` show what it did before."""
    plain = _plain(shell)
    for module, name in _places((*_CLIENTS, *_noun_classes())):
        plain.pop(f"{module}.{name}", None)


def _noun_classes() -> Iterator[str]:
    for name in NOUNS:
        module = "".join(f"_{each.lower()}" if each.isupper() else each for each in name)[1:]
        yield f"mavis_kernel.nouns.{module}.{name}"
        yield f"mavis_kernel.aio.nouns.{module}.{name}"


def _places(classes: Any) -> Iterator[tuple[str, str]]:
    for each in classes:
        module, _, name = each.rpartition(".")
        yield module, name


def _plain(shell: InteractiveShell) -> Any:
    formatter: Any = shell.display_formatter
    return formatter.formatters["text/plain"]


def _print_client(client: Any, printer: Any, _cycle: bool) -> None:
    if type(client) is Later:  # it says that it is of the client's class
        client = client.made()
    name = "amavis" if type(client).__name__.startswith("Async") else "mavis"
    nouns = [(f"{name}.{noun}", _said(type(each))) for noun, each in _nouns(client)]
    printer.text("\n".join([repr(client), *_columns([*nouns, *_calls(client, name)])]))


def _print_noun(noun: Any, printer: Any, _cycle: bool) -> None:
    name = "amavis" if ".aio." in type(noun).__module__ else "mavis"
    word = type(noun).__module__.rpartition(".")[2]
    calls = _calls(noun, f"{name}.{word}")
    printer.text(
        "\n".join(
            [_said(type(noun)), *_columns(calls), f"{calls[0][0].partition('(')[0]}? tells more."]
        )
    )


def _nouns(client: Any) -> Iterator[tuple[str, Any]]:
    return ((word, each) for word, each in vars(client).items() if not word.startswith("_"))


def _calls(owner: Any, before: str) -> list[tuple[str, str]]:
    """Return how each method of `owner` is called, and its first sentence."""
    return [
        (f"{before}.{word}({_places_of(method)})", _said(method))
        for word, method in inspect.getmembers(owner, callable)
        if not word.startswith("_") and word not in ("close", "aclose")
    ]


def _places_of(method: Any) -> str:
    taken = inspect.signature(method).parameters.values()
    named = [each.name for each in taken if each.kind is each.POSITIONAL_OR_KEYWORD]
    more = any(each.kind is each.KEYWORD_ONLY for each in taken)
    return ", ".join([*named, *(["..."] if more else [])])


def _said(described: Any) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0]


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(call) for call, _ in rows)
    return [f"  {call:<{width}}  {said}" for call, said in rows]
