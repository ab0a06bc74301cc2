"""The reference of the Python client: every noun with what it can do, from its docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import FunctionType

from guide_making.markdown import first_sentence, table
from mavis_kernel import Mavis
from mavis_kernel.settings import Settings, Trust
from mavis_kernel.transport import Transport

__all__ = ["environment", "nouns"]

_NOWHERE = Settings("http://127.0.0.1:9/services/mavis", None, Trust())


def nouns() -> str:
    """Return a section for each noun of the client."""
    with Mavis(settings=_NOWHERE) as mavis:
        found = {
            name: type(value)
            for name, value in vars(mavis).items()
            if not name.startswith("_") and not isinstance(value, Transport)
        }
    return "\n".join(
        f"## `mavis.{name}`\n\n{first_sentence(kind)}\n\n{''.join(_methods(name, kind))}"
        for name, kind in found.items()
    )


def _methods(noun: str, kind: type) -> Iterator[str]:
    for name, member in vars(kind).items():
        if isinstance(member, FunctionType) and not name.startswith("_"):
            yield f"`{noun}.{name}{_signature(member)}`\n: {first_sentence(member)}\n\n"


def _signature(member: FunctionType) -> str:
    signature = inspect.signature(member)
    given = [each for each in signature.parameters.values() if each.name != "self"]
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature.replace(parameters=given)))


def environment() -> str:
    """Return what `Mavis()` can be given."""
    parameters = inspect.signature(Mavis).parameters
    told = dict(_parameters(inspect.getdoc(Mavis) or ""))
    return table(("argument", "what it is"), [(f"`{name}`", told[name]) for name in parameters])


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and meaning of each parameter of a docstring."""
    _, _, rest = text.partition("Parameters\n----------\n")
    section = rest.partition("\n\n")[0]
    name, words = "", [""]
    for line in [*section.splitlines(), "end"]:
        if line.startswith(" "):
            words.append(line.strip())
            continue
        if name:
            yield name, " ".join(words).replace("``", "`")
        name, words = line, []
