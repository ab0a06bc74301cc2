// A terminal on a page or in a notebook: xterm.js over a conversation with the gateway.

import { FitAddon } from "@xterm/addon-fit";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { Terminal, type ITheme } from "@xterm/xterm";

import { Conversation, type Ended, type Opened, type Problem } from "./conversation.js";
import { guardPaste } from "./pasting.js";

const LINES_KEPT = 10_000;

const THEMES: Record<"dark" | "light", ITheme> = {
  dark: { background: "#0e1116", foreground: "#e6e8eb", cursor: "#e6e8eb", selectionBackground: "#3a4a63" },
  light: { background: "#ffffff", foreground: "#1f2328", cursor: "#1f2328", selectionBackground: "#b6d4f5" },
};

/** How it goes, in words. */
export interface Told {
  say(text: string, kind: "" | "good" | "bad"): void;
  opened(told: Opened): void;
  /** It is over; the problem where it was one. */
  over(text: string, kind: "" | "bad", problem: Problem | null): void;
}

/** The terminal of one session. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #place: HTMLElement;
  readonly #watch: ResizeObserver;
  #conversation: Conversation | null = null;
  #shown = false;

  /** Who only watches types nothing. `dialogs` is where the question about a paste is put; `rows`
      gives the place its first height, where it has none of its own. */
  constructor(
    place: HTMLElement,
    dialogs: HTMLElement,
    private readonly options: { watching: boolean; rows?: number },
  ) {
    const { watching } = options;
    this.#place = place;
    this.#terminal = new Terminal({
      allowProposedApi: true, // Unicode 11
      cursorBlink: true,
      disableStdin: watching,
      fontFamily: "ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, monospace",
      fontSize: 14,
      minimumContrastRatio: 4.5,
      screenReaderMode: false,
      scrollback: LINES_KEPT,
      theme: THEMES.dark,
    });
    const terminal = this.#terminal;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = "11";
    // What a device sends may not write to the reader's clipboard, nor ask what stands there.
    terminal.parser.registerOscHandler(52, () => true);
    if (!watching) {
      terminal.onData((text) => this.#conversation?.type(text));
      terminal.onBinary((text) =>
        this.#conversation?.type(Uint8Array.from(text, (each) => each.charCodeAt(0))),
      );
      terminal.onResize(({ cols, rows }) => this.#conversation?.resize(cols, rows));
      guardPaste(place, dialogs, terminal);
    }
    this.#watch = new ResizeObserver(() => this.#fill());
    this.#watch.observe(place);
    this.#fill();
  }

  paint(theme: "dark" | "light"): void {
    this.#terminal.options.theme = THEMES[theme];
  }

  focus(): void {
    this.#terminal.focus();
  }

  /** Come to the gateway with a ticket. */
  connect(address: string, ticket: string, told: Told): void {
    const terminal = this.#terminal;
    const over = (text: string, kind: "" | "bad", problem: Problem | null): void => {
      terminal.options.disableStdin = true;
      terminal.options.cursorBlink = false;
      told.over(text, kind, problem);
    };
    this.#conversation = new Conversation(address, ticket, () => [terminal.cols, terminal.rows], {
      notice: (text) => told.say(text, ""),
      progress: (text) => told.say(`${text} …`, ""),
      opened: (session: Opened, returned: boolean) => {
        const words = returned ? "Connected again" : "Connected";
        told.say(session.watching ? `You watch ${session.person}` : words, "good");
        told.opened(session);
      },
      shown: (bytes, _errors, drawn) => terminal.write(bytes, drawn),
      away: (ms) => told.say(`The connection broke; trying again in ${Math.ceil(ms / 1000)} s`, "bad"),
      ended: (ended: Ended) => over(`${ended.detail}.`, ended.reason === "exited" ? "" : "bad", null),
      problem: (problem: Problem) => over(`${problem.title}. ${problem.mend}`, "bad", problem),
    });
  }

  hangUp(): void {
    this.#conversation?.end();
  }

  /** Leave the session as it is, and take the terminal away. */
  close(): void {
    this.#watch.disconnect();
    this.#conversation?.leave();
    this.#terminal.dispose();
  }

  #grow(rows: number): void {
    const drawn = this.#place.querySelector(".xterm-screen")?.clientHeight ?? 0;
    if (drawn) this.#place.style.height = `${Math.ceil((drawn / this.#terminal.rows) * rows)}px`;
  }

  /** What hangs nowhere, or is hidden, has no size: the terminal keeps the one that it had. */
  #fill(): void {
    if (!this.#place.clientWidth || !this.#place.clientHeight) return;
    if (!this.#shown) {
      this.#shown = true;
      this.#terminal.open(this.#place);
      if (this.options.rows) this.#grow(this.options.rows);
    }
    this.#fit.fit();
  }
}

/** The address of a WebSocket at this host. */
export function socketAddress(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  return url.href;
}
