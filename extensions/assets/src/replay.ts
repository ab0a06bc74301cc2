// A recording that is replayed: asciinema-player, with speed, what is idle left out, and search.

import * as AsciinemaPlayer from "asciinema-player";

export interface Hit {
  at: number;
  text: string;
}

type Event = [at: number, kind: string, text: string];

export const SPEEDS = [0.5, 1, 2, 4, 8];
const IDLE_S = 2;
const BEFORE_S = 0.5;
const LOOK_MS = 200;

const two = (number: number): string => String(Math.floor(number)).padStart(2, "0");

/** A second of a recording, as people read it. */
export function clock(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ""}${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}

/** One recording in a place of a page. Its seconds stay those of the recording. */
export class Replay {
  readonly #place: HTMLElement;
  readonly #data: string;
  readonly #events: Event[];
  readonly #theme: string;
  readonly #timer: number;
  #lines: Hit[] | null = null;
  #player: AsciinemaPlayer.Player;
  #speed = 1;
  #plays = false;
  #skips = false;

  constructor(place: HTMLElement, data: string, startAt: number, theme = "asciinema") {
    this.#place = place;
    this.#data = data;
    this.#theme = theme;
    this.#events = eventsOf(data);
    this.#player = this.#make(startAt, false);
    this.#timer = window.setInterval(() => this.#skip(), LOOK_MS);
  }

  get now(): number {
    return this.#player.getCurrentTime();
  }

  seek(seconds: number): void {
    void this.#player.seek(seconds);
  }

  /** Go to a line that was found: a little before it was there. */
  jump(hit: Hit): number {
    const at = Math.max(0, hit.at - BEFORE_S);
    this.seek(at);
    return at;
  }

  setSpeed(speed: number): void {
    this.#speed = speed; // a player has the one with which it was made
    const { now } = this;
    const plays = this.#plays;
    this.#player.dispose();
    this.#player = this.#make(now, plays);
  }

  leaveOutIdle(skips: boolean): void {
    this.#skips = skips;
  }

  find(words: string): Hit[] {
    if (!words) return [];
    const wanted = words.toLowerCase();
    this.#lines ??= linesOf(this.#events);
    return this.#lines.filter((each) => each.text.toLowerCase().includes(wanted));
  }

  close(): void {
    window.clearInterval(this.#timer);
    this.#player.dispose();
  }

  #make(startAt: number, plays: boolean): AsciinemaPlayer.Player {
    const markers = this.#events.filter(([, kind]) => kind === "m");
    const player = AsciinemaPlayer.create({ data: this.#data }, this.#place, {
      controls: true,
      fit: "width",
      markers: markers.map(([at, , text]): [number, string] => [at, text]),
      preload: true,
      speed: this.#speed,
      theme: this.#theme,
    });
    this.#plays = plays;
    player.addEventListener("playing", () => (this.#plays = true));
    player.addEventListener("pause", () => (this.#plays = false));
    player.addEventListener("ended", () => (this.#plays = false));
    void begin(player, startAt, plays);
    return player;
  }

  /** Jump over what is idle. The player's own limit for it would move all seconds. */
  #skip(): void {
    if (!this.#skips || !this.#plays) return;
    const { now } = this;
    const next = after(this.#events, now);
    if (next !== null && next - now > IDLE_S) this.seek(next - BEFORE_S);
  }
}

/** The player's own `startAt` shows nothing before, and at first nothing after, it is played. */
async function begin(player: AsciinemaPlayer.Player, at: number, plays: boolean): Promise<void> {
  await player.seek(at);
  if (plays) await player.play();
}

function after(events: Event[], seconds: number): number | null {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.[0] ?? 0) <= seconds) low = middle + 1;
    else high = middle;
  }
  return events[low]?.[0] ?? null;
}

function eventsOf(data: string): Event[] {
  return data
    .split("\n")
    .slice(1)
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
}

/** What was shown, a line with the second at which it was complete; without what moves the cursor. */
function linesOf(events: Event[]): Hit[] {
  const found: Hit[] = [];
  let line = "";
  // eslint-disable-next-line no-control-regex
  const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])/g;
  for (const [at, kind, text] of events) {
    if (kind !== "o") continue;
    const parts = (line + text).replace(escapes, "").split(/\r?\n/);
    line = parts.pop() ?? "";
    for (const each of parts) if (each.trim()) found.push({ at, text: each.replace(/^.*\r/, "") });
  }
  if (line.trim()) found.push({ at: found.at(-1)?.at ?? 0, text: line });
  return found;
}
