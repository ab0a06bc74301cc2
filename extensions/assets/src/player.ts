// The page of a recording: asciinema-player, with search and a link to a second.

import * as AsciinemaPlayer from "asciinema-player";

interface Hit {
  at: number;
  text: string;
}

const two = (number: number): string => String(Math.floor(number)).padStart(2, "0");

function clock(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ""}${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}

async function begin(): Promise<void> {
  const place = document.getElementById("player");
  if (!place?.dataset.cast) return;
  const { cast, xsrf = "" } = place.dataset;
  const start = Number(new URLSearchParams(location.hash.slice(1)).get("t") ?? 0) || 0;
  const answer = await fetch(cast, { headers: { "X-XSRFToken": xsrf } });
  const status = document.getElementById("state");
  if (!answer.ok) {
    if (status) status.textContent = `The recording could not be had (${answer.status}).`;
    return;
  }
  const data = await answer.text();
  if (status) status.textContent = "";
  const player = AsciinemaPlayer.create({ data }, place, {
    fit: "width",
    idleTimeLimit: undefined, // times stay those of the recording
    markers: markersOf(data),
    preload: true,
    startAt: start,
    poster: `npt:${clock(start)}`,
    theme: "asciinema",
  });
  const seek = (seconds: number): void => {
    void player.seek(seconds);
    history.replaceState(null, "", `#t=${Math.floor(seconds)}`);
  };
  addEventListener("hashchange", () => {
    void player.seek(Number(new URLSearchParams(location.hash.slice(1)).get("t") ?? 0) || 0);
  });
  letSearch(linesOf(data), seek);
  document.getElementById("link")?.addEventListener("click", async () => {
    const now = await player.getCurrentTime();
    const address = new URL(location.href);
    address.hash = `t=${Math.floor(now)}`;
    history.replaceState(null, "", address);
    await navigator.clipboard?.writeText(address.href);
    if (status) status.textContent = `A link to ${clock(now)} is in your clipboard.`;
  });
}

function events(data: string): [number, string, string][] {
  const lines = data.split("\n");
  const found: [number, string, string][] = [];
  for (const line of lines.slice(1)) if (line) found.push(JSON.parse(line));
  return found;
}

function markersOf(data: string): [number, string][] {
  return events(data).filter(([, kind]) => kind === "m").map(([at, , text]) => [at, text]);
}

/** What was shown, a line with the second at which it was complete; without what moves the cursor. */
function linesOf(data: string): Hit[] {
  const found: Hit[] = [];
  let line = "";
  // eslint-disable-next-line no-control-regex
  const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])/g;
  for (const [at, kind, text] of events(data)) {
    if (kind !== "o") continue;
    const parts = (line + text).replace(escapes, "").split(/\r?\n/);
    line = parts.pop() ?? "";
    for (const each of parts) if (each.trim()) found.push({ at, text: each.replace(/^.*\r/, "") });
  }
  if (line.trim()) found.push({ at: found.at(-1)?.at ?? 0, text: line });
  return found;
}

function letSearch(lines: Hit[], seek: (seconds: number) => void): void {
  const box = document.getElementById("search") as HTMLInputElement | null;
  const list = document.getElementById("hits");
  if (!box || !list) return;
  const MOST = 100;
  const look = (): void => {
    const wanted = box.value.toLowerCase();
    const hits = wanted ? lines.filter((each) => each.text.toLowerCase().includes(wanted)) : [];
    list.replaceChildren(
      ...hits.slice(0, MOST).map((hit) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        const time = document.createElement("code");
        time.textContent = clock(hit.at);
        button.append(time, ` ${hit.text.slice(0, 200)}`);
        button.addEventListener("click", () => seek(Math.max(0, hit.at - 0.5)));
        item.append(button);
        return item;
      }),
    );
    const count = document.getElementById("count");
    if (count)
      count.textContent = !wanted ? ""
        : hits.length > MOST ? `${hits.length} lines; the first ${MOST} are shown`
        : hits.length === 1 ? "1 line" : `${hits.length} lines`;
  };
  box.addEventListener("input", look);
}

void begin();
