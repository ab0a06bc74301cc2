"""Questions of a page, and their answers.

A question is ``{"id", "ask", "with"}``. As soon as the kernel reads it, it says
``{"id", "heard": true}``: until then a cell may have kept it. Then comes ``{"id", "answer"}`` or
``{"id", "failure"}``, from a thread, so that asking the appliance keeps nobody from running cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from mavis_kernel.errors import InvalidInput
from mavis_kernel.widgets.failures import Message, failure_of

__all__ = ["Answering", "Conversation", "Given"]

_THREADS = 4


class Given:
    """What a question brings along, read by name and kind."""

    def __init__(self, values: object) -> None:
        self._values: Mapping[str, object] = values if isinstance(values, Mapping) else {}

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise InvalidInput(f"{name} is not text.", field=name)
        return value

    def count(self, name: str, *, most: int) -> int:
        """Return a whole number from 0 to `most`."""
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise InvalidInput(f"{name} is not a number from 0 to {most}.", field=name)
        return value

    def flag(self, name: str) -> bool:
        """Return whether something is so; what is not said is not."""
        return self._values.get(name) is True

    def texts(self, name: str, *, most: int) -> list[str]:
        """Return a list of at most `most` texts."""
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidInput(f"{name} is not a list of texts.", field=name)
        if len(value) > most:
            raise InvalidInput(
                f"{name} has {len(value)} entries; at most {most} go at once.",
                mend="Choose fewer, and do the others afterwards.",
                field=name,
            )
        return value

    def document(self, name: str) -> Mapping[str, object]:
        """Return an object; what is not there is empty."""
        value = self._values.get(name, {})
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{name} is not an object.", field=name)
        return value


Answering = Callable[[Given], Message]


class Conversation:
    """Answers the questions of all pages that show one widget.

    Parameters
    ----------
    send
        Tells every page; is called from threads, too.
    answering
        What answers, by the question.
    """

    def __init__(self, send: Callable[[Message], None], answering: Mapping[str, Answering]) -> None:
        self._send = send
        self._answering = answering
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="widget")

    def hear(self, message: object) -> None:
        """Take a message of a page; returns at once."""
        if not isinstance(message, Mapping):
            return
        question_id, ask = message.get("id"), message.get("ask")
        if not isinstance(question_id, str) or not isinstance(ask, str):
            return  # not one of ours
        self._send({"id": question_id, "heard": True})
        if ask == "ping":
            self._send({"id": question_id, "answer": {}})
            return
        self._pool.submit(self._answer, question_id, ask, Given(message.get("with")))

    def close(self) -> None:
        """Answer nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question_id: str, ask: str, given: Given) -> None:
        try:
            answer = self._answering.get(ask, _no_question)(given)
        except Exception as exc:  # noqa: BLE001 - the edge: whatever it is, the page is told
            self._send({"id": question_id, "failure": failure_of(exc)})
        else:
            self._send({"id": question_id, "answer": answer})


def _no_question(_given: Given) -> Message:
    raise InvalidInput("That is no question of this widget.", mend="Run the cell again.")
