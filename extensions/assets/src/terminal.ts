// The page of a terminal.

import { Screen, socketAddress } from "./screen.js";

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as T;
}

function begin(): void {
  const place = element("terminal");
  const { ticket, address, watching } = place.dataset;
  delete place.dataset["ticket"];
  if (!ticket || !address) return;
  const status = element("state");
  const hangUp = document.getElementById("hang-up") as HTMLButtonElement | null;
  const screen = new Screen(place, document.body, { watching: watching === "true" });
  const say = (text: string, kind: string): void => {
    status.textContent = text;
    status.className = kind;
  };
  hangUp?.addEventListener("click", () => screen.hangUp());
  screen.connect(socketAddress(address), ticket, {
    say,
    opened: () => {
      if (hangUp) hangUp.hidden = false;
      screen.focus();
    },
    over: (text, kind) => {
      say(text, kind);
      if (hangUp) hangUp.hidden = true;
      element("again").hidden = false;
      document.body.dataset["over"] = "";
    },
  });
}

begin();
