"""The shell scripts that freeze a machine and thaw it, whatever happens to us in between.

A machine thaws by itself: before ``pre`` runs, a watchdog in a session of its own begins to wait;
when its time is over it runs ``post``. When ``pre`` has ended well the time begins anew. Who moves
the *mark* (a file) thaws: the watchdog or the thaw that we send, never both. A thaw leaves a sign
that lets a freeze which comes too late do nothing.

Plain POSIX shell; ``setsid`` is used where it is there. ``MAVIS_HOOKS`` names another folder.
"""

from __future__ import annotations

import re
import shlex
from enum import StrEnum

__all__ = ["Thaw", "freeze_script", "thaw_of", "thaw_script"]

_VALUE = re.compile(r"@([A-Z_]+)@")


class Thaw(StrEnum):
    """What a thaw found; the last words that its script prints."""

    DONE = "mavis: thawed"
    BY_ITSELF = "mavis: had thawed by itself"
    NOT_FROZEN = "mavis: was not frozen"


_HEAD = """\
umask 077
dir=${MAVIS_HOOKS:-/var/run/mavis-hooks}
mark=$dir/@MARK@
mkdir -p "$dir" || exit 1
alone() {
  if command -v setsid >/dev/null 2>&1; then exec setsid "$@"; else exec nohup "$@"; fi
}
watch() { (alone sh "$mark.dog" "$mark" "$1") </dev/null >/dev/null 2>&1 & dog=$!; }
stop() {
  pid=$(cat "$1" 2>/dev/null) && { kill -- "-$pid" || kill "$pid"; } 2>/dev/null
  rm -f "$1"
}
unwatch() { for each in "$mark".watch.*; do [ ! -e "$each" ] || stop "$each"; done; }
"""

_WATCHDOG = """\
mark=$1
echo $$ > "$mark.watch.$$"
sleep "$2"
mv "$mark" "$mark.thaw" 2>/dev/null || exit 0
pid=$(cat "$mark.running" 2>/dev/null) && { kill -- "-$pid" || kill "$pid"; } 2>/dev/null
tries=0
until sh "$mark.post"; do
  tries=$((tries + 1))
  [ "$tries" -lt 5 ] || exit 1
  sleep 5
done
: > "$mark.thawed"
"""

_FREEZE = """\
find "$dir" -type f -mtime +7 -exec rm -f {} + 2>/dev/null
if [ -e "$mark.over" ]; then echo "the machine was thawed already"; exit 1; fi
printf '%s\\n' @PRE@ > "$mark.pre"
printf '%s\\n' @POST@ > "$mark.post"
printf '%s\\n' @WATCHDOG@ > "$mark.dog"
: > "$mark"
watch @TIMEOUT@
(alone sh "$mark.pre") </dev/null >"$mark.out" 2>&1 &
echo $! > "$mark.running"
wait $!
code=$?
rm -f "$mark.running"
tail -c 400 "$mark.out"
[ "$code" -eq 0 ] || exit "$code"
old=$dog
watch @TIMEOUT@
kill -- "-$old" 2>/dev/null || kill "$old" 2>/dev/null
if [ ! -e "$mark" ]; then echo "it took too long: the machine thawed by itself"; exit 1; fi
"""

_THAW = """\
: > "$mark.over"
stop "$mark.running"
end() {
  unwatch
  rm -f "$mark" "$mark.pre" "$mark.post" "$mark.dog" "$mark.out" "$mark.thaw" "$mark.thawed"
  echo "$1"
  exit 0
}
run() {
  sh "$mark.post" >"$mark.out" 2>&1
  code=$?
  tail -c 400 "$mark.out"
  [ "$code" -ne 0 ] || end "@DONE@"
  [ ! -e "$mark.thaw" ] || mv "$mark.thaw" "$mark"
  unwatch
  watch 30
  exit "$code"
}
if mv "$mark" "$mark.thaw" 2>/dev/null; then run; fi
if [ -e "$mark.thawed" ]; then end "@BY_ITSELF@"; fi
if [ -e "$mark.thaw" ]; then run; fi
end "@NOT_FROZEN@"
"""


def freeze_script(mark: str, *, pre: str | None, post: str | None, timeout_s: int) -> str:
    """Return the script that runs `pre`, with a watchdog that runs `post`.

    Parameters
    ----------
    mark
        A name of this one freeze: letters, digits, dots and underscores.
    timeout_s
        Seconds after which the machine thaws by itself.
    """
    return _filled(
        _HEAD + _FREEZE,
        MARK=mark,
        PRE=shlex.quote(pre or ":"),
        POST=shlex.quote(post or ":"),
        WATCHDOG=shlex.quote(_WATCHDOG),
        TIMEOUT=str(timeout_s),
    )


def thaw_script(mark: str) -> str:
    """Return the script that ends the freeze `mark`, where it was and is. It may be repeated."""
    words = {each.name: each.value for each in Thaw}
    return _filled(_HEAD + _THAW, MARK=mark, **words)


def thaw_of(output: str) -> Thaw:
    """Return what a thaw that ended well has found, by what it printed."""
    last = output.rstrip().rpartition("\n")[2]
    return next((each for each in Thaw if each.value == last), Thaw.DONE)


def _filled(script: str, **values: str) -> str:
    """Return `script` with its values; each is put in once, and none is looked into again."""
    return _VALUE.sub(lambda found: values[found[1]], script)
