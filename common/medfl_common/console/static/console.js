// The only script: it puts parts that changed in place, and says when no word comes any more.
"use strict";
const trusted = window.trustedTypes
  ? window.trustedTypes.createPolicy("medfl", { createHTML: text => text })
  : { createHTML: text => text };
const SILENCE_MS = 25000, CUT_MS = 5000;
const body = document.body;
const waiting = {}; // parts that somebody's hands are in
let heard = Date.now();
let since = "";
let trouble = "";
let source = null;
let cut = 0; // since when there is no connection
let versions = body.dataset.versions;

function put(id, html) {
  const part = document.getElementById(id);
  if (!part) return;
  if (part !== document.activeElement && part.contains(document.activeElement)) {
    waiting[id] = html;
    return;
  }
  const open = [...part.querySelectorAll("details[open][id]")].map(one => one.id);
  const top = part.scrollTop;
  part.innerHTML = trusted.createHTML(html);
  for (const one of open) document.getElementById(one)?.setAttribute("open", "");
  part.scrollTop = top;
  delete waiting[id];
}

function say(text) {
  const voice = document.getElementById("voice");
  if (text && voice.textContent !== text) voice.textContent = text;
}

function follow() {
  source = new EventSource(`${body.dataset.events}?v=${encodeURIComponent(versions)}`);
  source.onopen = () => { cut = 0; heard = Date.now(); trouble = ""; };
  source.onerror = () => {
    cut ||= Date.now(); // the browser itself tries again, but where it was answered, and not with events
    if (source?.readyState === EventSource.CLOSED) ask();
  };
  source.onmessage = event => {
    const { at, parts } = JSON.parse(event.data);
    heard = Date.now();
    since = at;
    versions = event.lastEventId;
    for (const id in parts) put(id, parts[id]);
    tick();
    say(document.querySelector("#answer strong")?.textContent);
  };
  source.addEventListener("alive", () => { heard = Date.now(); });
  source.addEventListener("trouble", event => { heard = Date.now(); trouble = JSON.parse(event.data).what; });
  source.addEventListener("over", () => { source.close(); location.assign("/enter"); });
}

// The console answers, but not with events: it was started anew, and knows nobody; or the page is gone.
async function ask() {
  source = null;
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect" || answer?.status === 404) location.reload();
  else setTimeout(() => { if (!source && !document.hidden) follow(); }, 3000);
}

// A browser has few connections to one host: pages that nobody looks at give theirs back.
function look() {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (!source) {
    heard = Date.now();
    cut = 0;
    follow();
  }
}

function tick() {
  for (const one of document.querySelectorAll("time.since")) {
    const seconds = Math.max(0, Math.round(Date.now() / 1000 - one.dataset.at));
    one.textContent = seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  }
  const fresh = document.getElementById("fresh");
  if (!fresh || !body.dataset.events) return;
  const isLost = Date.now() - heard > SILENCE_MS || (cut && Date.now() - cut > CUT_MS);
  fresh.classList.toggle("lost", Boolean(isLost || trouble));
  fresh.textContent = trouble ? `What is shown is not of now: ${trouble}.` : isLost
    ? `No word from the console since ${since || "this page was opened"}: what you see is of then.`
    : `This page follows by itself${since ? `; last change ${since}` : ""}.`;
  if (isLost || trouble) say(fresh.textContent);
}

document.addEventListener("focusout", () => setTimeout(() => {
  for (const id in waiting) put(id, waiting[id]);
}, 0));
setInterval(tick, 1000);
tick();
if (body.dataset.events) {
  document.addEventListener("visibilitychange", look);
  look();
}
