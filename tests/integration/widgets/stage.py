"""A widget's bundle in an empty page, with a kernel of words: it says what a test lets it say."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

from integration.widgets.notebooks import Visit
from mavis_kernel.widgets.widget import bundle

KERNEL = """
async ({ code, css, state, answers, config }) => {
  if (config !== null) {
    const written = document.createElement('script');
    written.id = 'jupyter-config-data';
    written.type = 'application/json';
    written.textContent = JSON.stringify(config);
    document.head.append(written);
  }
  const listeners = {};
  const emit = (name, given) => (listeners[name] ?? []).forEach(each => each(given));
  const kernel = {
    state, answers, asked: [], emit,
    tell(values) {
      for (const [name, value] of Object.entries(values)) {
        state[name] = value;
        emit(`change:${name}`, value);
      }
    },
  };
  const model = {
    get: name => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      emit(`change:${name}`, value);
    },
    save_changes() {},
    send({ id, ask, with: given }) {
      kernel.asked.push({ ask, ...given });
      const said = kernel.answers[ask];
      if (said === undefined || said === 'nothing') return;
      queueMicrotask(() => {
        emit('msg:custom', { id, heard: true });
        if (said !== 'heard') emit('msg:custom', { id, ...said });
      });
    },
    on(name, listener) { (listeners[name] ??= []).push(listener); },
    off(name, listener) {
      listeners[name] = (listeners[name] ?? []).filter(each => each !== listener);
    },
  };
  window.kernel = kernel;
  document.head.append(Object.assign(document.createElement('style'), { textContent: css }));
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const { default: widget } = await import(url);
  const el = document.querySelector('main');
  const gone = new AbortController();
  kernel.end = () => gone.abort();
  widget.render({ model, el, signal: gone.signal });
}
"""
PAGE = (
    "<!doctype html><html lang=en><title>stage</title><body style='margin:8px'>"
    "<h1>Stage</h1><h2>Widget</h2><main></main></body></html>"
)
OWN_STYLES = {"terminal": ("terminal.css",), "player": ("player.css",)}
FAILURE = {
    "kind": "failed",
    "message": "The disk is full.",
    "mend": "Make room.",
    "field": None,
    "request_id": "req_0042",
}


def failure(kind: str, **more: object) -> dict[str, object]:
    return {"failure": {**FAILURE, "kind": kind, **more}}


class Stage:
    """The page; times in it pass when the test says so."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.page = visit.page
        self.page.clock.install()
        self.config: dict[str, str] | None = None  # what Jupyter writes into its pages

    def show(
        self, name: str, state: dict[str, Any], answers: dict[str, Any], *, dark: bool = False
    ) -> Locator:
        """Render a widget, and return it."""
        self.page.set_content(PAGE)
        if dark:
            self.page.evaluate("document.body.style.background = '#111'")
        given = {
            "code": bundle(f"{name}.js"),
            "css": "".join(bundle(each) for each in ("widgets.css", *OWN_STYLES.get(name, ()))),
            "config": self.config,
            "state": {"url": "http://127.0.0.1:9/services/mavis", **state},
            "answers": answers,
        }
        self.page.evaluate(KERNEL, given)
        return self.visit.widget

    def answer(self, **answers: object) -> None:
        """From now on the kernel says this."""
        self.page.evaluate("answers => Object.assign(kernel.answers, answers)", answers)

    def tell(self, **traits: object) -> None:
        """Let Python change traits."""
        self.page.evaluate("values => kernel.tell(values)", traits)

    def emit(self, name: str) -> None:
        """Let an event of the model happen."""
        self.page.evaluate("name => kernel.emit(name)", name)

    def state(self, name: str) -> Any:
        """Return a trait."""
        return self.page.evaluate("name => kernel.state[name]", name)

    def asked(self, what: str) -> list[dict[str, Any]]:
        """Return the questions of one kind."""
        found: list[dict[str, Any]] = self.page.evaluate("() => kernel.asked")
        return [each for each in found if each["ask"] == what]
