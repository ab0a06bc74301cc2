// The conversation with the gateway over a WebSocket; `mavis_hub/gateway/sockets.py` has the words.

export interface Opened {
  session: string;
  device: string;
  login: string;
  person: string;
  watching: boolean;
  terminal: boolean;
}

export interface Ended {
  reason: string;
  detail: string;
  exit_status: number | null;
  signal: string | null;
}

export interface Problem {
  code: string;
  title: string;
  mend: string;
}

export interface Listener {
  notice(text: string): void;
  progress(text: string): void;
  opened(told: Opened, again: boolean): void;
  shown(bytes: Uint8Array, errors: boolean, drawn: () => void): void;
  away(nextTryMs: number): void;
  ended(told: Ended): void;
  problem(told: Problem): void;
}

interface Way {
  ticket?: string;
  return?: string;
  session?: string;
}

const STDERR = 2;
const AWAY_MS = 110_000;
const FIRST_TRY_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
const CONFIRM_BYTES = 16 * 1024;
const TYPED_BYTES = 32 * 1024; // the longest message that the gateway takes is eight times that

/** One session, over as many connections as it takes. */
export class Conversation {
  #socket: WebSocket | null = null;
  #way: Way;
  #received = 0;
  #drawn = 0;
  #confirmed = 0;
  #over = false;
  #awaySince = 0;
  #pause = FIRST_TRY_MS;
  #opened = false;

  constructor(
    private readonly address: string,
    ticket: string,
    private readonly size: () => [number, number],
    private readonly listener: Listener,
  ) {
    this.#way = { ticket };
    this.#connect();
  }

  type(text: string | Uint8Array<ArrayBuffer>): void {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    if (this.#socket?.readyState !== WebSocket.OPEN || !this.#opened) return;
    for (let at = 0; at < bytes.length; at += TYPED_BYTES)
      this.#socket.send(bytes.subarray(at, at + TYPED_BYTES));
  }

  resize(columns: number, rows: number): void {
    this.#say({ size: [columns, rows] });
  }

  end(): void {
    this.#say({ end: true });
  }

  /** Go, and leave the session as it is: it waits a while for somebody to come back. */
  leave(): void {
    this.#over = true;
    this.#socket?.close();
  }

  #say(told: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN && this.#opened)
      this.#socket.send(JSON.stringify(told));
  }

  #connect(): void {
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#opened = false;
    socket.onopen = () => {
      const [columns, rows] = this.size();
      socket.send(JSON.stringify({ ...this.#way, columns, rows, from: this.#received || undefined }));
    };
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.#told(JSON.parse(event.data));
      else this.#bytes(new Uint8Array(event.data as ArrayBuffer));
    };
    socket.onclose = () => this.#closed(socket);
  }

  #told(told: Record<string, any>): void {
    if ("notice" in told) this.listener.notice(told.notice);
    if ("progress" in told) this.listener.progress(told.progress);
    if ("open" in told) {
      const again = this.#received > 0;
      this.#received = this.#drawn = this.#confirmed = told.from;
      this.#opened = true;
      this.#awaySince = 0;
      this.#pause = FIRST_TRY_MS;
      this.#way = { session: told.open.session, return: told.return };
      this.listener.opened(told.open, again);
    }
    if ("ended" in told) {
      this.#over = true;
      this.listener.ended(told.ended);
    }
    if ("problem" in told) {
      this.#over = true;
      this.listener.problem(told.problem);
    }
  }

  #bytes(message: Uint8Array): void {
    const bytes = message.subarray(1);
    this.#received += bytes.length;
    const upto = this.#received;
    this.listener.shown(bytes, message[0] === STDERR, () => {
      this.#drawn = Math.max(this.#drawn, upto);
      if (this.#drawn - this.#confirmed >= CONFIRM_BYTES || this.#drawn === this.#received) {
        this.#confirmed = this.#drawn;
        this.#say({ drawn: this.#drawn });
      }
    });
  }

  #closed(socket: WebSocket): void {
    if (this.#over || socket !== this.#socket) return;
    const now = Date.now();
    this.#awaySince ||= now;
    if (!this.#way.return || now - this.#awaySince > AWAY_MS) {
      this.#over = true;
      this.listener.problem({
        code: "away",
        title: "The connection to the appliance was lost",
        mend: "Look at your network; then open the session again.",
      });
      return;
    }
    this.listener.away(this.#pause);
    setTimeout(() => {
      if (!this.#over) this.#connect();
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
