"""How the appliance's words for a state are meant, for whoever gives them a colour and a shape."""

from __future__ import annotations

__all__ = ["BAD", "GOOD", "OVER", "WAITING", "tone_of"]

GOOD, WAITING, BAD, OVER = "good", "waiting", "bad", "over"

_WORDS = {
    GOOD: "available complete completed creates done enabled in-use ok running succeeded",
    WAITING: "changes expiring forgetting interrupts new partial paused pending planned"
    " queued skipped stopping taking_back undoing waiting",
    BAD: "destroys error failed left_over missing never_backed_up refused rpo_missed stranded"
    " unprotected",
    OVER: "cancelled final gone removed stopped terminated undone",
}
_TONES = {word: tone for tone, words in _WORDS.items() for word in words.split()}


def tone_of(word: str) -> str | None:
    """Return how the state `word` is meant; None for a word that nobody knows here."""
    return _TONES.get(word)
