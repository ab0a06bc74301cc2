// What is pasted and would run by itself, or is long, is shown before it goes to the device.

import type { Terminal } from "@xterm/xterm";

const LONG = 500;
const SHOWN = 4000;

function isHarmless(text: string): boolean {
  return !/[\r\n]/.test(text) && text.length < LONG;
}

/** Ask before such a paste; the question is put into `dialogs`. */
export function guardPaste(place: HTMLElement, dialogs: HTMLElement, terminal: Terminal): void {
  const dialog = document.createElement("dialog");
  dialog.className = "paste";
  const form = document.createElement("form");
  form.method = "dialog";
  const head = document.createElement("h2");
  head.id = `paste-${Math.random().toString(36).slice(2)}`;
  dialog.setAttribute("aria-labelledby", head.id);
  const why = document.createElement("p");
  why.textContent = "What you paste holds line ends or is long, and would run at once.";
  const shown = document.createElement("pre");
  shown.tabIndex = 0;
  const paste = answer("Paste", "paste");
  const not = answer("Do not", "");
  not.autofocus = true;
  const answers = document.createElement("p");
  answers.append(paste, " ", not);
  form.append(head, why, shown, answers);
  dialog.append(form);
  dialogs.append(dialog);

  let waiting = "";
  place.addEventListener(
    "paste",
    (event) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (isHarmless(text)) return;
      event.preventDefault();
      event.stopPropagation();
      waiting = text;
      const lines = text.split(/\r\n|\r|\n/).length;
      head.textContent = `Paste ${lines} line${lines === 1 ? "" : "s"}?`;
      shown.textContent = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
      dialog.showModal();
    },
    true,
  );
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "paste") terminal.paste(waiting);
    waiting = "";
    dialog.returnValue = "";
    terminal.focus();
  });
}

function answer(text: string, value: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.value = value;
  made.textContent = text;
  made.className = value ? "main" : "";
  return made;
}
