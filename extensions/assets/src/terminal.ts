// The page of a terminal: xterm.js over a conversation with the gateway.

import { FitAddon } from "@xterm/addon-fit";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { Terminal } from "@xterm/xterm";

import { Conversation, type Ended, type Opened, type Problem } from "./conversation.js";

const LINES_KEPT = 10_000;
const LONG_PASTE = 500;

const DARK = {
  background: "#0e1116", foreground: "#e6e8eb", cursor: "#e6e8eb", selectionBackground: "#3a4a63",
};

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as T;
}

function begin(): void {
  const place = element("terminal");
  const { ticket, address, watching } = place.dataset;
  delete place.dataset.ticket;
  place.removeAttribute("data-ticket");
  if (!ticket || !address) return;
  const status = element("state");
  const hangUp = document.getElementById("hang-up") as HTMLButtonElement | null;
  const again = element<HTMLAnchorElement>("again");

  const terminal = new Terminal({
    allowProposedApi: true, // Unicode 11
    cursorBlink: true,
    disableStdin: watching === "true",
    fontFamily: "ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, monospace",
    fontSize: 14,
    screenReaderMode: false,
    scrollback: LINES_KEPT,
    theme: DARK,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  terminal.open(place);
  fit.fit();

  // What a device sends may not write to the reader's clipboard, nor ask what stands there.
  terminal.parser.registerOscHandler(52, () => true);

  const say = (text: string, kind = ""): void => {
    status.textContent = text;
    status.className = kind;
  };
  const over = (text: string, kind: string): void => {
    say(text, kind);
    terminal.options.disableStdin = true;
    terminal.options.cursorBlink = false;
    if (hangUp) hangUp.hidden = true;
    again.hidden = false;
    document.body.dataset.over = "";
  };

  const url = new URL(address, location.href);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  const conversation = new Conversation(url.href, ticket, () => [terminal.cols, terminal.rows], {
    notice: (text) => say(text),
    progress: (text) => say(`${text} …`),
    opened: (told: Opened, returned: boolean) => {
      say(told.watching ? `You watch ${told.person}` : returned ? "Connected again" : "Connected", "good");
      if (hangUp) hangUp.hidden = false;
      terminal.focus();
    },
    shown: (bytes, _errors, drawn) => terminal.write(bytes, drawn),
    away: (ms) => say(`The connection broke; trying again in ${Math.ceil(ms / 1000)} s`, "bad"),
    ended: (told: Ended) => over(`${told.detail}.`, told.reason === "exited" ? "" : "bad"),
    problem: (told: Problem) => over(`${told.title}. ${told.mend}`, "bad"),
  });

  if (watching !== "true") {
    terminal.onData((text) => conversation.type(text));
    terminal.onBinary((text) => conversation.type(Uint8Array.from(text, (each) => each.charCodeAt(0))));
    guardPaste(place, terminal);
    hangUp?.addEventListener("click", () => conversation.end());
    terminal.onResize(({ cols, rows }) => conversation.resize(cols, rows));
    new ResizeObserver(() => fit.fit()).observe(place);
  }
}

/** Ask before what is pasted would run by itself, or is long. */
function guardPaste(place: HTMLElement, terminal: Terminal): void {
  const dialog = element<HTMLDialogElement>("paste");
  const shown = element("pasted");
  let waiting = "";
  place.addEventListener(
    "paste",
    (event) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (!/[\r\n]/.test(text.trimEnd()) && !/[\r\n]$/.test(text) && text.length < LONG_PASTE) return;
      event.preventDefault();
      event.stopPropagation();
      waiting = text;
      const lines = text.split(/\r\n|\r|\n/).length;
      element("paste-head").textContent = `Paste ${lines} line${lines === 1 ? "" : "s"}?`;
      shown.textContent = text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
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

begin();
