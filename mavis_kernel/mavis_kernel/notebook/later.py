"""The client's place in the namespace until somebody uses it.

A kernel starts without a network, without a login and without what the client imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping

__all__ = ["Later"]


class Later:
    """Stands for an object that is made at its first use and then takes this one's place.

    Parameters
    ----------
    name
        Its name in `namespace`.
    namespace
        Where it takes this one's place.
    kind
        Returns its class, which this one says it has.
    make
        Makes it; an error of it is told to whoever used the object, and the next use tries again.
    """

    def __init__(
        self,
        name: str,
        namespace: MutableMapping[str, object],
        kind: Callable[[], type],
        make: Callable[[], object],
    ) -> None:
        self._name = name
        self._namespace = namespace
        self._kind = kind
        self._make = make

    @property  # type: ignore[misc]  # a stand-in, as unittest.mock has them
    def __class__(self) -> type:
        return self._kind()

    def __repr__(self) -> str:
        return repr(self.made())

    def __dir__(self) -> Iterable[str]:
        return dir(self.made())

    def __getattr__(self, attribute: str) -> object:
        # Whoever shows an object asks for these; they are no use of the client.
        if attribute.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(f"{self._name} has no {attribute}")
        return getattr(self.made(), attribute)

    def made(self) -> object:
        """Return the object."""
        made = self._make()
        if self._namespace.get(self._name) is self:
            self._namespace[self._name] = made
        return made
