// The page around a dashboard: keeps its view by a stream, and says when it is not live any more.
"use strict";

const banner = document.getElementById("banner");
const text = document.getElementById("banner-text");
const patience = 13_000; // ms; the stream says something every five seconds
let heard = Date.now();
let over = false;

function say(message) {
  if (text.textContent !== message) text.textContent = message;
  banner.hidden = message === "";
}

document.getElementById("restart").addEventListener("click", () => location.reload());

const stream = new EventSource(document.body.dataset.live);

stream.addEventListener("state", (event) => {
  heard = Date.now();
  const died = JSON.parse(event.data).state === "died";
  say(died ? "This dashboard has stopped: its kernel has ended. What you see is not live." : "");
});

stream.addEventListener("over", (event) => {
  over = true;
  stream.close();
  const why = JSON.parse(event.data);
  say(`${why.message.replace(/\.$/, "")}. ${why.mend}`);
  document.getElementById("frame").remove(); // what it showed is not for this viewer any more
});

setInterval(() => {
  if (over || Date.now() - heard < patience) return;
  if (stream.readyState === EventSource.CLOSED) {
    say("This dashboard is over: it has ended, or you are not logged in any more.");
  } else {
    say("No connection to Mavis. What you see may be old; trying again.");
  }
}, 1000);
