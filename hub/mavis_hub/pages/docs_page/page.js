// The page of the REST API: loads its description and lets Swagger UI show it.
"use strict";

(() => {
  const place = document.getElementById("operations");
  const METHODS = ["get", "post", "put", "patch", "delete"];

  function say(text, link) {
    const line = document.createElement("p");
    line.setAttribute("role", "alert");
    line.append(text);
    if (link) {
      const way = document.createElement("a");
      way.href = location.href;
      way.textContent = link;
      line.append(" ", way);
    }
    place.replaceChildren(line);
    place.removeAttribute("aria-busy");
  }

  function operationsOf(description) {
    return Object.values(description.paths).flatMap((path) =>
      METHODS.filter((method) => path[method]).map((method) => path[method]),
    );
  }

  // `#create_project` is an address that lasts; Swagger UI's own has the tag in it.
  function follow(operations, ui) {
    const id = decodeURIComponent(location.hash.slice(1));
    const found = operations.find((each) => each.operationId === id);
    if (found) history.replaceState(null, "", `#/${found.tags[0]}/${id}`);
    if (ui) open(ui, location.hash);
  }

  // Swagger UI's own takes `_` for a space, which our operations have in their names.
  function open(ui, hash) {
    const parts = hash.replace(/^#!?\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
    if (!parts.length) return;
    const keyOf = ui.layoutSelectors.isShownKeyFromUrlHashArray;
    parts.forEach((_, at) => ui.layoutActions.show(keyOf(parts.slice(0, at + 1)), true));
    ui.layoutActions.scrollTo(keyOf(parts));
    ui.layoutActions.scrollToVirtualizedOperation(keyOf(parts));
  }

  // Swagger UI filters by tag only; people look for a word.
  function filtered(tagged, phrase) {
    const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (text) => words.every((word) => text.toLowerCase().includes(word));
    const told = (each) =>
      [each.get("method"), each.get("path"), each.getIn(["operation", "operationId"]),
        each.getIn(["operation", "summary"])].join(" ");
    return tagged
      .map((group, tag) =>
        fits(tag) ? group : group.update("operations", (all) => all.filter((each) => fits(told(each)))))
      .filter((group) => group.get("operations").size > 0);
  }

  const plugin = (system) => ({
    fn: { opsFilter: filtered },
    statePlugins: {
      layout: { wrapActions: { parseDeepLinkHash: () => (hash) => open(system, hash) } },
      spec: {
        wrapSelectors: {
          // The API takes tokens only: without one there is nothing to try out.
          allowTryItOutFor: () => () => system.authSelectors.authorized().size > 0,
        },
      },
    },
    wrapComponents: {
      // A token is not for those who look over one's shoulder.
      Input: (Input, { React }) => (props) =>
        React.createElement(
          Input,
          props["aria-label"] === "auth-bearer-value"
            ? { ...props, type: "password", autoComplete: "off", spellCheck: false }
            : props,
        ),
      // A call that is shown to be copied has a word where the token was.
      curl: (Curl, { React }) => (props) =>
        React.createElement(Curl, {
          ...props,
          request: props.request.setIn(["headers", "Authorization"], "Bearer TOKEN"),
        }),
    },
  });

  function show(description) {
    const operations = operationsOf(description);
    follow(operations);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
    dark.addEventListener("change", paint);
    paint();
    const ui = SwaggerUIBundle({
      domNode: place,
      spec: description,
      layout: "BaseLayout",
      presets: [SwaggerUIBundle.presets.apis],
      plugins: [plugin],
      deepLinking: true,
      displayOperationId: true,
      displayRequestDuration: true,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      filter: true,
      syntaxHighlight: { theme: "tomorrow-night" },
      persistAuthorization: false,
      tryItOutEnabled: false,
      validatorUrl: null,
      requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
      onComplete: () => place.removeAttribute("aria-busy"),
    });
    addEventListener("hashchange", () => follow(operations, ui));
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") place.querySelector(".close-modal")?.click();
      const box = place.querySelector(".operation-filter-input");
      const typing = event.target.closest("input, textarea, select, [contenteditable]");
      if (event.key === "/" && box && !typing) {
        event.preventDefault();
        box.focus();
      }
    });
  }

  async function load() {
    const headers = { "X-XSRFToken": place.dataset.xsrf };
    const answer = await fetch(place.dataset.description, { credentials: "same-origin", headers });
    if (answer.status === 401) say("Your login has ended.", "Log in again");
    else if (!answer.ok) say(`The description was not loaded (${answer.status}).`, "Try again");
    else show(await answer.json());
  }

  load().catch(() => say("The appliance does not answer.", "Try again"));
})();
