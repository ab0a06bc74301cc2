// What the pages of Mavis do more with a script: times in the reader's zone, ids that copy, tables
// that filter, and Runs that are followed. Without it they lack only that.
"use strict";

(() => {
  const DAYS_SHOWN = 60;
  const JUST_NOW_S = 3;
  const AT_MOST_EVERY_MS = 700;

  const day = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  const told = (more) => new Intl.DateTimeFormat(undefined, { ...day, ...more });
  const toTheMinute = told({ year: "numeric", timeZoneName: "short" });
  const toTheSecond = told({ second: "2-digit" });

  // The words of `mavis_hub.pages.moments`.
  function coarse(seconds) {
    for (const [limit, unit_s, unit] of [[90, 1, "s"], [5400, 60, "min"], [172800, 3600, "h"]])
      if (seconds < limit) return `${(seconds / unit_s).toFixed(0)} ${unit}`;
    return `${(seconds / 86400).toFixed(0)} d`;
  }

  function relative(seconds) {
    if (Math.abs(seconds) < JUST_NOW_S) return "just now";
    if (Math.abs(seconds) > DAYS_SHOWN * 86400) return "";
    return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`;
  }

  function duration(seconds) {
    const two = (number) => String(Math.floor(number)).padStart(2, "0");
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 172800) return `${Math.floor(whole / 3600)} h ${two((whole % 3600) / 60)} min`;
    return `${Math.floor(whole / 86400)} d ${two((whole % 86400) / 3600)} h`;
  }

  // The reader's clock may be wrong; how much, the page says by the moment at which it was made.
  const made = Date.parse(document.documentElement.dataset.now);
  const ahead_ms = Number.isNaN(made) ? 0 : Date.now() - made;

  function tell(time) {
    const at = new Date(time.dateTime);
    const seconds = (Date.now() - ahead_ms - at) / 1000;
    const told = {
      local: () => toTheMinute.format(at),
      seconds: () => toTheSecond.format(at),
      ago: () => relative(seconds) || toTheMinute.format(at),
      elapsed: () => duration(seconds),
      left: () => `in ${duration(-seconds)}`,
    }[time.dataset.told]();
    if (time.textContent !== told) time.textContent = told;
    if (time.dataset.told === "left" && seconds >= 0) expire();
  }

  let expired = false;
  function expire() {
    if (!expired) location.reload();
    expired = true;
  }

  const timesIn = (place) => place.querySelectorAll("time[data-told]");
  const tick = () => timesIn(document).forEach(tell);

  // An id copies with a click, and by the keyboard.
  function letCopy(place) {
    for (const code of place.querySelectorAll("[data-copy]")) {
      if (!navigator.clipboard || code.role === "button") continue;
      code.role = "button";
      code.tabIndex = 0;
      code.title = "Copy";
    }
  }

  async function copy(code) {
    await navigator.clipboard.writeText(code.textContent);
    code.title = "Copied";
    say(`Copied ${code.textContent}`);
    code.classList.add("copied");
    setTimeout(() => { code.classList.remove("copied"); code.title = "Copy"; }, 1500);
  }

  function say(text) {
    let place = document.getElementById("said");
    if (!place) {
      place = Object.assign(document.createElement("p"), { id: "said", role: "status" });
      place.className = "visually-hidden";
      document.querySelector("main").append(place);
    }
    place.textContent = text;
  }

  addEventListener("click", (event) => {
    const code = event.target.closest("[data-copy]");
    if (code?.role === "button") copy(code);
  });

  addEventListener("keydown", (event) => {
    const code = event.target.closest("[data-copy]");
    if (code && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      copy(code);
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const box = document.querySelector(".filter input");
    if (event.key === "/" && box && !typing) {
      event.preventDefault();
      box.focus();
    }
  });

  // A long table gets a box that shows only what holds a text.
  const LONG = 8;
  function letFilter(table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < LONG) return;
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "search" });
    const none = Object.assign(document.createElement("p"), { hidden: true });
    none.textContent = "No row has this text.";
    none.role = "status";
    label.className = "filter";
    label.append("Filter (press /) ", box);
    box.addEventListener("input", () => {
      const wanted = box.value.toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      none.hidden = rows.some((row) => !row.hidden);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      box.value = "";
      box.dispatchEvent(new Event("input"));
      box.blur();
    });
    table.parentElement.before(label);
    table.parentElement.after(none);
  }

  // A Run is followed: at each change its page is asked for again, and what is new is shown.
  function follow({ follow: address, version, xsrf }) {
    const trouble = document.getElementById("trouble");
    let seen = Number(version);
    let asking = false;
    let again = false;

    function show(fresh) {
      for (const part of document.querySelectorAll("[data-live]")) {
        const now = fresh.getElementById(part.id);
        if (!now) continue;
        timesIn(now).forEach(tell);
        letCopy(now);
        if (part.innerHTML === now.innerHTML) continue;
        const focus = part.contains(document.activeElement) && document.activeElement;
        const label = focus && focus.getAttribute("aria-label");
        if (focus && !label) continue; // a link, say, stays under the finger
        part.replaceChildren(...now.childNodes);
        if (label) part.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus();
      }
      const state = document.getElementById("state").textContent.trim();
      if (document.title !== fresh.title) say(`The Run is ${state}`);
      document.title = fresh.title;
      if (!fresh.getElementById("cancel")) document.getElementById("cancel")?.remove();
    }

    async function look() {
      if (asking) { again = true; return; }
      asking = true;
      do {
        again = false;
        const answer = await fetch(location.href, { headers: { "X-XSRFToken": xsrf } });
        if (answer.ok) {
          show(new DOMParser().parseFromString(await answer.text(), "text/html"));
          trouble.hidden = true;
        }
        await new Promise((done) => { setTimeout(done, AT_MOST_EVERY_MS); });
      } while (again);
      asking = false;
    }

    const feed = new EventSource(`${address}?_xsrf=${encodeURIComponent(xsrf)}`);
    const stop = (text) => {
      feed.close();
      trouble.textContent = text;
      trouble.hidden = !text;
    };
    feed.addEventListener("run", (event) => {
      const run = JSON.parse(event.data);
      if (run.version > seen) look();
      seen = Math.max(seen, run.version);
      if (run.finished_at) {
        feed.close();
        // The records of its end come a moment later.
        setTimeout(look, 1500);
      }
    });
    feed.addEventListener("problem", (event) => {
      const told = JSON.parse(event.data);
      stop(`${told.detail}. ${told.mend} The Run goes on.`);
    });
    feed.addEventListener("open", () => { trouble.hidden = true; });
    feed.addEventListener("error", () => {
      if (feed.readyState === EventSource.CLOSED)
        stop("This page hears no more of the Run, which goes on. Reload the page.");
      else {
        trouble.textContent = "The appliance does not answer. Asking again; the Run goes on.";
        trouble.hidden = false;
      }
    });
    addEventListener("pagehide", () => feed.close());
  }

  // Records are followed: when some arrive the list is asked for again, a little later.
  const LIST_EVERY_MS = 2000;
  function letFollow(button) {
    const list = document.getElementById("found");
    const trouble = document.getElementById("live-trouble");
    const { address, xsrf } = button.dataset;
    let feed = null;
    let waiting = 0;
    let timer = 0;

    const tellTrouble = (text) => { trouble.textContent = text; trouble.hidden = !text; };

    async function look() {
      const arrived = waiting;
      waiting = 0;
      const here = new URL(location.href);
      here.searchParams.set("part", "list");
      const answer = await fetch(here, { headers: { "X-XSRFToken": xsrf } }).catch(() => null);
      if (answer?.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const now = fresh.getElementById("found");
        timesIn(now).forEach(tell);
        letCopy(now);
        // A link in it stays under the finger.
        if (!list.contains(document.activeElement)) list.replaceChildren(...now.childNodes);
        say(arrived === 1 ? "One more record" : `${arrived} more records`);
      }
      timer = waiting ? setTimeout(look, LIST_EVERY_MS) : 0;
    }

    function arrive(count) {
      waiting += count;
      timer ||= setTimeout(look, 300);
    }

    function stop(text = "") {
      feed?.close();
      feed = null;
      clearTimeout(timer);
      timer = 0;
      button.ariaPressed = "false";
      button.textContent = "Follow live";
      tellTrouble(text);
    }

    function start() {
      button.ariaPressed = "true";
      button.textContent = "Following live";
      const asked = new URL(address, location.href);
      asked.searchParams.set("_xsrf", xsrf);
      feed = new EventSource(asked);
      feed.addEventListener("open", () => tellTrouble(""));
      feed.addEventListener("record", () => arrive(1));
      feed.addEventListener("missed", (event) => arrive(JSON.parse(event.data).count));
      feed.addEventListener("problem", (event) => {
        const told = JSON.parse(event.data);
        stop(`${told.detail}. ${told.mend}`);
      });
      feed.addEventListener("error", () => {
        if (feed?.readyState === EventSource.CLOSED)
          stop("The appliance does not tell of records now. Follow again, or look again.");
        else if (feed) tellTrouble("The appliance does not answer. Asking again.");
      });
    }

    button.hidden = false;
    button.addEventListener("click", () => (feed ? stop() : start()));
    addEventListener("pagehide", () => stop());
  }

  letCopy(document);
  document.querySelectorAll("#live").forEach(letFollow);
  document.querySelectorAll("table[data-filter]").forEach(letFilter);
  tick();
  setInterval(tick, 1000);
  if (document.body.dataset.follow) follow(document.body.dataset);
})();
