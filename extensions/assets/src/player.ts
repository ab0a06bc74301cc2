// The page of a recording: the player, with search and a link to a second.

import { clock, Replay, SPEEDS } from "./replay.js";

const MOST = 100;

const wanted = (): number => Number(new URLSearchParams(location.hash.slice(1)).get("t") ?? 0) || 0;

async function begin(): Promise<void> {
  const place = document.getElementById("player");
  const { cast, xsrf = "" } = place?.dataset ?? {};
  if (!place || !cast) return;
  const answer = await fetch(cast, { headers: { "X-XSRFToken": xsrf } });
  const status = document.getElementById("state");
  if (!answer.ok) {
    if (status) status.textContent = `The recording could not be had (${answer.status}).`;
    return;
  }
  const replay = new Replay(place, await answer.text(), wanted());
  if (status) status.textContent = "";
  addEventListener("hashchange", () => replay.seek(wanted()));
  letSearch(replay);
  letChoose(replay);
  document.getElementById("link")?.addEventListener("click", async () => {
    const { now } = replay;
    const address = new URL(location.href);
    address.hash = `t=${Math.floor(now)}`;
    history.replaceState(null, "", address);
    await navigator.clipboard?.writeText(address.href);
    if (status) status.textContent = `A link to ${clock(now)} is in your clipboard.`;
  });
}

function letChoose(replay: Replay): void {
  const speed = document.getElementById("speed") as HTMLSelectElement | null;
  speed?.append(...SPEEDS.map((each) => new Option(`${each}×`, String(each), each === 1, each === 1)));
  speed?.addEventListener("change", () => replay.setSpeed(Number(speed.value)));
  const skip = document.getElementById("skip") as HTMLInputElement | null;
  skip?.addEventListener("change", () => replay.leaveOutIdle(skip.checked));
}

function letSearch(replay: Replay): void {
  const box = document.getElementById("search") as HTMLInputElement | null;
  const list = document.getElementById("hits");
  if (!box || !list) return;
  const look = (): void => {
    const hits = replay.find(box.value);
    list.replaceChildren(
      ...hits.slice(0, MOST).map((hit) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        const time = document.createElement("code");
        time.textContent = clock(hit.at);
        button.append(time, ` ${hit.text.slice(0, 200)}`);
        button.addEventListener("click", () => {
          history.replaceState(null, "", `#t=${Math.floor(replay.jump(hit))}`);
        });
        item.append(button);
        return item;
      }),
    );
    const count = document.getElementById("count");
    if (count)
      count.textContent = !box.value ? ""
        : hits.length > MOST ? `${hits.length} lines; the first ${MOST} are shown`
        : hits.length === 1 ? "1 line" : `${hits.length} lines`;
  };
  box.addEventListener("input", look);
}

void begin();
