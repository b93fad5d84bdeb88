"use strict";
const said = document.getElementById("said");
const token = document.querySelector("meta[name=token]").content;
const tell = (text) => { said.textContent = ""; requestAnimationFrame(() => { said.textContent = text; }); };
const remember = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));
const recall = (name, other) => JSON.parse(sessionStorage.getItem(name) ?? "null") ?? other;

async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Embedkit-Token": token },
      body: JSON.stringify(body),
    });
    return { ok: response.ok, ...(await response.json()) };
  } catch {
    return { ok: false, error: document.body.dataset.failed };
  }
}

/* After a decision the next pair is a new page: what happened is told there, and the same button has the focus. */
const later = recall("later", null);
sessionStorage.removeItem("later");
if (later) {
  if (later.text) tell(later.text);
  document.querySelector(`[data-act="${later.focus}"]`)?.focus();
}
/* One thing at a time: a second press waits for the first, and a page that is being left takes none. */
const busy = (yes) => { if (yes) document.documentElement.dataset.busy = ""; else delete document.documentElement.dataset.busy; };
const isBusy = () => "busy" in document.documentElement.dataset;
addEventListener("pageshow", () => busy(false));
let leaving = false;
function go(kind, key, text, act) {
  leaving = true;
  remember("later", { text, focus: document.activeElement?.dataset?.act ? act : "" });
  location.assign(`/review/${kind}${key ? `?at=${key}` : ""}`);
}

const card = document.getElementById("card");
const place = card ?? document.getElementById("done");
async function decide(key, decision, expected) {
  const { kind, version } = place.dataset;
  const answer = await post(`/review/${kind}`, { key, decision, expected, version });
  if (answer.ok) return answer;
  if (answer.reload) go(kind, key, answer.error, "");
  else tell(answer.error);
  return null;
}
async function act(what) {
  const { kind, key, expected, following } = place.dataset;
  const history = `history ${kind}`;
  const done = recall(history, []);
  if (what === "undo") {
    const last = done.pop();
    if (!last) return tell(place.dataset.nothing);
    remember(history, done);
    if (last.after === last.before) return go(kind, last.key, place.dataset.undone, what);
    if (await decide(last.key, last.before, last.after)) go(kind, last.key, place.dataset.undone, what);
    return;
  }
  if (!card) return;
  if (what === "skip") {
    remember(history, [...done, { key, before: expected, after: expected }]);
    return go(kind, following || key, card.dataset.skipped, what);
  }
  const decision = what === "clear" ? "" : what;
  const answer = await decide(key, decision, expected);
  if (!answer) return;
  if (decision !== expected) remember(history, [...done, { key, before: expected, after: decision }]);
  const text = { accept: card.dataset.accepted, reject: card.dataset.rejected }[what] ?? card.dataset.cleared;
  go(kind, what === "clear" ? key : answer.following, [text, answer.notice].filter(Boolean).join("\n"), what);
}
async function once(what) {
  if (isBusy()) return;
  busy(true);
  try { await act(what); } finally { busy(leaving); }
}
for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => once(button.dataset.act));

const keys = document.getElementById("keys");
if (keys) {
  keys.checked = localStorage.getItem("keys") !== "off";
  keys.addEventListener("change", () => localStorage.setItem("keys", keys.checked ? "on" : "off"));
}
const ACTS = { a: "accept", r: "reject", s: "skip", u: "undo" };
document.addEventListener("keydown", (event) => {
  if (!place || localStorage.getItem("keys") === "off" || event.repeat) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  // With a Hangul keyboard the A key gives ㅁ or no letter at all: then the key's place counts.
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace(/^Key/, "").toLowerCase();
  const what = ACTS[letter];
  if (what && document.querySelector(`[data-act="${what}"]`)) {
    event.preventDefault();
    once(what);
  }
});

const ask = document.getElementById("ask");
ask?.addEventListener("submit", () => {
  busy(true);
  tell(ask.dataset.wait);
});

const found = document.getElementById("found");
async function add(entry) {
  const { run, question } = found.dataset;
  if (isBusy()) return;
  busy(true);
  const answer = await post("/questions", { run, question, ...entry });
  busy(false);
  tell(answer.ok ? answer.message : answer.error);
}
for (const button of document.querySelectorAll("[data-add]")) button.addEventListener("click", () => add({ key: button.dataset.add }));
document.getElementById("other")?.addEventListener("submit", (event) => {
  event.preventDefault();
  add({ term: document.getElementById("term").value });
});
