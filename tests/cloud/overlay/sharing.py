"""Who else may see and use a snapshot or an image: permissions for accounts, or for ``all``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloud.overlay.context import Ask, Call
from cloud.overlay.refusals import combination, invalid
from cloud.overlay.selecting import Selection, T

_SHARED = "id IN (SELECT id FROM permission WHERE grantee IN (?, 'all'))"


def visible(selection: Selection[T]) -> None:
    """Keep what the caller owns or was given, in the region of the call."""
    me, region = selection.call.account, selection.call.region
    selection.where(f"@region = ? AND (@account = ? OR {_SHARED})", region, me, me)


def owners(selection: Selection[T], asked: Sequence[str]) -> None:
    """Keep what belongs to one of `asked`; ``self`` is the caller."""
    if not asked:
        return
    me = selection.call.account
    accounts = [me if one == "self" else one for one in asked]
    selection.where(f"account IN ({', '.join('?' * len(accounts))})", *accounts)


def usable_by(selection: Selection[T], asked: Sequence[str]) -> None:
    """Keep what one of `asked` owns or was given by name; ``all`` means what everybody may use."""
    if not asked:
        return
    me, parts, values = selection.call.account, [], []
    for one in asked:
        account = me if one == "self" else one
        parts.append("account = ? OR id IN (SELECT id FROM permission WHERE grantee = ?)")
        values += [account, account]
    selection.where(" OR ".join(parts), *values)


def grantees(call: Call, one: str) -> list[str]:
    rows = call.store.rows("SELECT grantee FROM permission WHERE id = ? ORDER BY grantee", (one,))
    return [grantee for (grantee,) in rows]


def allows(call: Call, one: str, account: str) -> bool:
    return bool({account, "all"} & set(grantees(call, one)))


def forget(call: Call, one: str) -> None:
    call.store.run("DELETE FROM permission WHERE id = ?", one)


def change(call: Call, one: str, add: Iterable[str], remove: Iterable[str]) -> None:
    call.store.run_many("INSERT OR IGNORE INTO permission VALUES (?, ?)", [(one, a) for a in add])
    call.store.run_many(
        "DELETE FROM permission WHERE id = ? AND grantee = ?", [(one, a) for a in remove]
    )


def wanted(ask: Ask, member: str) -> tuple[list[str], list[str]]:
    """Return whom a Modify call adds and removes; `member` is the structure with both."""
    both = ask.get(member)
    if both:
        return _names(both.get("Add", ())), _names(both.get("Remove", ()))
    names = [*ask.get("UserIds", ()), *ask.get("UserGroups", ask.get("GroupNames", ()))]
    if ask.get("OperationType") not in ("add", "remove"):
        raise combination("The request must say whom it adds or removes")
    checked = [_checked(name) for name in names]
    return (checked, []) if ask["OperationType"] == "add" else ([], checked)


def _names(items: Sequence[Ask]) -> list[str]:
    return [_checked(str(item.get("UserId") or item.get("Group", ""))) for item in items]


def _checked(name: str) -> str:
    if name != "all" and not (name.isdigit() and len(name) == 12):
        raise invalid(f"Invalid account id or group: {name!r}")
    return name
