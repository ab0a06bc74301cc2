"""Whether a new description of the API breaks those who were made for the old one.

A caller breaks where an operation, an answer or a field of an answer is gone or may be null that
was not; where something that was not asked for is, or fewer values are taken; and where an id or
an address has changed. New operations, new options, new fields of answers and new values that are
taken break nobody: clients ignore what they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["breaking"]

Json = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


def breaking(old: Json, new: Json) -> list[str]:
    """Return what would break callers, a sentence each, by the name of the operation or schema."""
    return list(dict.fromkeys(_Comparison(old, new).all()))


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str]] = set()

    def all(self) -> Iterator[str]:
        now = {each["operationId"]: (where, each) for where, each in _operations(self._new)}
        for where, was in _operations(self._old):
            name = was["operationId"]
            if name not in now:
                yield f"{name}: the operation is gone"
                continue
            there, operation = now[name]
            if there != where:
                yield f"{name}: it was {where} and is {there}"
            yield from self._operation(name, was, operation)

    def _operation(self, name: str, was: Json, now: Json) -> Iterator[str]:
        yield from self._parameters(name, was, now)
        yield from self._body(name, was, now)
        for status, answer in was["responses"].items():
            if not status.startswith("2"):
                continue
            if status not in now["responses"]:
                yield f"{name}: it answers {status} no more"
                continue
            content = now["responses"][status].get("content", {})
            for media, told in answer.get("content", {}).items():
                if media not in content:
                    yield f"{name}: the answer {status} is no {media} any more"
                else:
                    yield from self._answer(
                        f"{name} {status}", told["schema"], content[media]["schema"]
                    )

    def _parameters(self, name: str, was: Json, now: Json) -> Iterator[str]:
        old = {_key(each): each for each in self._resolved(self._old, was)}
        new = {_key(each): each for each in self._resolved(self._new, now)}
        for key, each in old.items():
            if key not in new:
                yield f"{name}: the option {each['name']} is gone"
                continue
            yield from self._input(f"{name} {each['name']}", each["schema"], new[key]["schema"])
            if new[key].get("required") and not each.get("required"):
                yield f"{name}: the option {each['name']} is needed now"
        for key, each in new.items():
            if key not in old and each.get("required"):
                yield f"{name}: the option {each['name']} is needed now"

    @staticmethod
    def _resolved(document: Json, operation: Json) -> Iterator[Json]:
        for each in operation.get("parameters", ()):
            ref = each.get("$ref")
            yield document["components"]["parameters"][ref.rpartition("/")[2]] if ref else each

    def _body(self, name: str, was: Json, now: Json) -> Iterator[str]:
        if "requestBody" not in now:
            if "requestBody" in was:
                yield f"{name}: it takes no body any more"
            return
        body = now["requestBody"]
        if "requestBody" not in was:
            if body.get("required"):
                yield f"{name}: a body is needed now"
            return
        if body.get("required") and not was["requestBody"].get("required"):
            yield f"{name}: a body is needed now"
        for media, told in was["requestBody"]["content"].items():
            if media not in body["content"]:
                yield f"{name}: the body is no {media} any more"
            else:
                yield from self._input(name, told["schema"], body["content"][media]["schema"])

    def _answer(self, name: str, was: Json, now: Json) -> Iterator[str]:
        """Tell what a reader of `was` misses in `now`."""
        name, was, now, seen = self._followed(name, was, now, "answer")
        if seen:
            return
        if _kinds(now) - _kinds(was) and _kinds(was):
            yield f"{name}: it may be {' or '.join(sorted(_kinds(now) - _kinds(was)))} now"
        before, after = was.get("properties", {}), now.get("properties", {})
        for field, schema in before.items():
            if field not in after:
                yield f"{name}: the field {field} is gone"
                continue
            if field in was.get("required", ()) and field not in now.get("required", ()):
                yield f"{name}: the field {field} may be missing now"
            yield from self._answer(f"{name}.{field}", schema, after[field])
        for part in ("items", "additionalProperties"):
            if isinstance(was.get(part), dict) and isinstance(now.get(part), dict):
                yield from self._answer(f"{name}[]", was[part], now[part])
        yield from self._choices(name, was, now, self._answer)

    def _input(self, name: str, was: Json, now: Json) -> Iterator[str]:
        """Tell what a writer of `was` may not send to `now` any more."""
        name, was, now, seen = self._followed(name, was, now, "input")
        if seen:
            return
        if (gone := _kinds(was) - _kinds(now)) and _kinds(now):
            yield f"{name}: it may be {' or '.join(sorted(gone))} no more"
        yield from _fewer(name, was, now)
        yield from _narrower(name, was, now)
        before, after = was.get("properties", {}), now.get("properties", {})
        for field in now.get("required", ()):
            if field not in was.get("required", ()):
                yield f"{name}: the field {field} is needed now"
        for field, schema in before.items():
            if field in after:
                yield from self._input(f"{name}.{field}", schema, after[field])
            elif now.get("additionalProperties") is False:
                yield f"{name}: the field {field} is taken no more"
        if isinstance(was.get("items"), dict) and isinstance(now.get("items"), dict):
            yield from self._input(f"{name}[]", was["items"], now["items"])
        yield from self._choices(name, was, now, self._input)

    def _choices(self, name: str, was: Json, now: Json, compare: Any) -> Iterator[str]:
        for part in ("anyOf", "oneOf"):
            before = [each for each in was.get(part, ()) if each != {"type": "null"}]
            after = [each for each in now.get(part, ()) if each != {"type": "null"}]
            if len(before) > len(after):
                yield f"{name}: one of its forms is gone"
            for old, new in zip(before, after, strict=False):
                yield from compare(name, old, new)

    def _followed(self, name: str, was: Json, now: Json, way: str) -> tuple[str, Json, Json, bool]:
        """Follow references; each pair of schemas is compared once each way, by its own name."""
        if "$ref" in was and "$ref" in now:
            old, new = was["$ref"].rpartition("/")[2], now["$ref"].rpartition("/")[2]
            seen = (way + old, new) in self._seen
            self._seen.add((way + old, new))
            name = old
        else:
            seen = False
        return name, _resolve(self._old, was), _resolve(self._new, now), seen


def _fewer(name: str, was: Json, now: Json) -> Iterator[str]:
    """Tell which values are taken no more."""
    if "enum" in now and (gone := set(was.get("enum", ())) - set(now["enum"])):
        yield f"{name}: {', '.join(sorted(map(str, gone)))} is taken no more"
    if "enum" in now and "enum" not in was and "const" not in was:
        yield f"{name}: only some values are taken now"


def _narrower(name: str, was: Json, now: Json) -> Iterator[str]:
    for bound, tighter in (
        ("maximum", -1),
        ("maxLength", -1),
        ("maxItems", -1),
        ("minimum", 1),
        ("minLength", 1),
        ("minItems", 1),
    ):
        if bound in now and (bound not in was or (now[bound] - was[bound]) * tighter > 0):
            yield f"{name}: {bound} is {now[bound]} now"
    if "pattern" in now and now["pattern"] != was.get("pattern"):
        yield f"{name}: it must match {now['pattern']} now"


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def _key(parameter: Json) -> tuple[str, str]:
    return parameter["in"], parameter["name"]


def _resolve(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _kinds(schema: Json) -> set[str]:
    """Return which JSON types a schema takes, as far as it says so itself."""
    kind = schema.get("type", ())
    kinds = {kind} if isinstance(kind, str) else set(kind)
    for each in schema.get("anyOf", ()):
        kinds |= {"object"} if "$ref" in each else _kinds(each)
    return kinds
