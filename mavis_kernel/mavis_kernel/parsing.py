"""JSON objects into frozen dataclasses, once, at the edge.

The reader follows the annotations of a `Model`. A member that the model does not know is kept
in `Model.raw` and otherwise ignored, so that a newer appliance serves an older client. A member
that the model needs and does not find is an error that names it, unless the caller picked others:
then looking at it is the error.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Self, Union, get_args, get_origin

from mavis_kernel.errors import NotPicked, UnexpectedAnswer
from mavis_kernel.words import Word

__all__ = ["JsonObject", "Model"]

JsonObject = Mapping[str, object]

_Reader = Callable[[object, str], Any]
_OWN = ("raw", "etag")


@dataclass(frozen=True, kw_only=True)
class Model:
    """An object of the appliance's contract.

    Parameters
    ----------
    raw
        The JSON object as it was received, with members that this client does not know.
    etag
        Names the object as it was when it was read alone; what changes it takes that as
        ``if_match``. None where it came in a list.
    """

    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    etag: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: object, where: str = "") -> Self:
        """Return the object that `data` describes.

        Parameters
        ----------
        data
            A decoded JSON object.
        where
            The path to `data` in the answer, for messages.

        Raises
        ------
        UnexpectedAnswer
            `data` is no object, lacks a member, or has one of another type.
        """
        where = where or cls.__name__
        if not isinstance(data, Mapping):
            raise _mismatch(where, "an object", data)
        values: dict[str, Any] = {"raw": data}
        kind: Any = cls  # a class is hashable, which mypy does not believe of type[Self]
        for each in _members(kind):
            if each.name in data:
                values[each.attribute] = each.read(data[each.name], f"{where}.{each.name}")
            elif each.needed:
                raise UnexpectedAnswer(f"The appliance's answer has no {where}.{each.name}.")
        return cls(**values)

    def to_json(self) -> dict[str, object]:
        """Return the object as JSON has it, with what it was read with and this client knows not.

        A member that has its default is left out, unless it was told.
        """
        kind: Any = type(self)
        told = dict(self.raw)
        for each in _members(kind):
            value = getattr(self, each.attribute)
            if each.needed or each.name in told or value != each.default:
                told[each.name] = _as_json(value)
        return told

    def _repr_mimebundle_(self, **_asked: Any) -> dict[str, str]:
        """Return what a notebook shows, by the name that IPython asks for."""
        from mavis_kernel.display import of_model  # noqa: PLC0415 - notebooks only

        return of_model(self)

    @classmethod
    def picked_from_json(cls, data: object) -> Self:
        """Return an object of which `data` has some members only; the others cannot be read.

        Raises
        ------
        UnexpectedAnswer
            `data` is no object, or a member has another type.
        """
        if not isinstance(data, Mapping):
            raise _mismatch(cls.__name__, "an object", data)
        kind: Any = cls
        made: Self = object.__new__(_picked(kind))
        vars(made).update(raw=data, etag=None)
        for each in _members(kind):
            if each.name in data:
                where = f"{cls.__name__}.{each.name}"
                vars(made)[each.attribute] = each.read(data[each.name], where)
        return made


class _Picked(Model):
    """The base of objects of which some members were picked."""

    def __getattribute__(self, name: str) -> Any:
        has = object.__getattribute__(self, "__dict__")
        if name not in has and name in object.__getattribute__(self, "__dataclass_fields__"):
            cls = type(self).__name__
            raise NotPicked(f"{cls}.{name} was not asked for; there are {', '.join(has['raw'])}.")
        return object.__getattribute__(self, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Picked) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]  # what it holds is not hashable either

    def __repr__(self) -> str:
        told = (f"{name}={value!r}" for name, value in vars(self).items() if name not in _OWN)
        return f"{type(self).__name__}({', '.join(told)})"


@cache
def _picked(cls: Any) -> Any:
    return type(cls.__name__, (_Picked, cls), {"__module__": cls.__module__})


@dataclass(frozen=True)
class _Member:
    """How a member of a model is read."""

    name: str
    attribute: str
    needed: bool
    default: object
    read: _Reader


@cache
def _members(cls: Any) -> tuple[_Member, ...]:
    """Return how each member of the model `cls` is read."""
    hints: dict[str, Any] = {}
    # What is mixed in names types that are there for checking only, so its hints are not looked at.
    for base in reversed(cls.__mro__):
        if issubclass(base, Model):
            own = vars(base).get("__annotations__", {})
            scope = vars(sys.modules[base.__module__])
            hints |= {name: eval(text, scope) for name, text in own.items()}  # noqa: S307 - ours
    return tuple(
        _Member(
            each.metadata.get("name", each.name),
            each.name,
            each.default is MISSING and each.default_factory is MISSING,
            {} if each.default is MISSING else each.default,
            _reader(hints[each.name]),
        )
        for each in fields(cls)
        if each.name not in _OWN
    )


def _as_json(value: object) -> object:
    if isinstance(value, Model):
        return value.to_json()
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return str(value) if isinstance(value, Word) else value


def _reader(hint: Any) -> _Reader:
    """Return what reads a value of the annotated type `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (each for each in arguments if each is not type(None))
        return _nullable(_reader(inner))
    if origin is tuple:
        return _list_of(_reader(arguments[0]))
    if origin is Mapping:
        return _object_of(_SCALARS.get(arguments[1], _anything))
    if hint in _SCALARS:
        return _SCALARS[hint]
    if issubclass(hint, Word):
        return _word(hint)
    reader: _Reader = hint.from_json
    return reader


def _nullable(read: _Reader) -> _Reader:
    return lambda value, where: None if value is None else read(value, where)


def _list_of(read: _Reader) -> _Reader:
    def read_list(value: object, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _mismatch(where, "a list", value)
        return tuple(read(each, f"{where}[{index}]") for index, each in enumerate(value))

    return read_list


def _object_of(read: _Reader) -> _Reader:
    def read_object(value: object, where: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise _mismatch(where, "an object", value)
        return {str(name): read(each, f"{where}.{name}") for name, each in value.items()}

    return read_object


def _anything(value: object, _where: str) -> object:
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(where, "text", value)
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(where, "true or false", value)
    return value


def _whole(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _mismatch(where, "a whole number", value)
    return value


def _number(value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _mismatch(where, "a number", value)
    return float(value)


def _word(kind: type[Word]) -> _Reader:
    return lambda value, where: kind(_text(value, where))


def _day(value: object, where: str) -> date:
    try:
        return date.fromisoformat(_text(value, where))
    except ValueError as exc:
        raise _mismatch(where, "a day (RFC 3339)", value) from exc


def _moment(value: object, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value, where))
    except ValueError as exc:
        raise _mismatch(where, "a moment (RFC 3339)", value) from exc
    if moment.tzinfo is None:
        raise _mismatch(where, "a moment with a zone", value)
    return moment.astimezone(UTC)


_SCALARS: dict[Any, _Reader] = {
    str: _text,
    bool: _flag,
    int: _whole,
    float: _number,
    datetime: _moment,
    date: _day,
    object: _anything,
}


def _mismatch(where: str, wanted: str, value: object) -> UnexpectedAnswer:
    # The type alone: a value of an answer that is not understood may be anything.
    return UnexpectedAnswer(f"{where} of the appliance's answer is not {wanted}: {_kind(value)}.")


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
