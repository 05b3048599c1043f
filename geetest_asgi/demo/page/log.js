/* The live log. The server is asked once a second while somebody looks, and at once after the page's own requests. */

import { code, scrollToVerdict, showRow } from "./strip.js";
import { element, onLanguage, reason, rich, text } from "./texts.js";

const MOST = 100;
const PERIOD = 1000; // milliseconds
const PATIENCE = 10000; // milliseconds for an answer
const list = document.getElementById("log");
const ended = document.getElementById("ended");
const listeners = [];
let rows = []; // the newest first
let newest = 0;
let first = true; // nothing was heard yet
let over = false;
let turn = Promise.resolve();
let waiting = 0; // for answers

/** Called with what the server says beside the rows: how the switches stand, and the code. */
export const onNews = (listener) => listeners.push(listener);

/** Ask now; ends when the page shows the answer. One at a time, so that no row comes twice. */
export function refresh() {
  turn = turn.then(ask, ask);
  return turn;
}

async function ask() {
  const news = await hear();
  if (Boolean(news) === over) {
    over = !news;
    renderEnd();
  }
  if (!news) return;
  for (const listener of listeners) listener(news);
  if (news.rows.length) add(news.rows);
  first = false;
}

/** What the server says; null: it has ended. */
async function hear() {
  waiting += 1;
  try {
    const response = await fetch(`/demo/log?after=${newest}`, {
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    return await response.json();
  } catch {
    return null;
  } finally {
    waiting -= 1;
  }
}

function add(fresh) {
  newest = fresh.at(-1).number;
  rows = [...[...fresh].reverse(), ...rows].slice(0, MOST);
  list.prepend(...[...fresh].reverse().map(item));
  while (list.children.length > MOST) list.lastElementChild.remove();
  document.getElementById("empty").hidden = true;
  if (!first) showRow(rows[0]); // what was there before the page belongs to the log alone
}

function item(row) {
  const { decision } = row;
  const shape = !decision ? "open" : !decision.allowed ? "no" : decision.verified ? "yes" : "trouble";
  const request = `${row.method} ${row.target}`;
  const time = new Date(row.number);
  const name = `${request} ${code(row)}`;
  const way = [
    text(row.asked ? "asked" : "not_asked") + (row.asked ? ` (${decision.milliseconds} ms)` : ""),
    text(row.handled ? "ran" : "never_ran"),
  ].join(" · ");
  const it = element(
    "li",
    { "data-shape": shape, "data-number": row.number },
    element("span", { class: "mark", "aria-hidden": "true" }, { yes: "✓", no: "✕", trouble: "!", open: "→" }[shape]),
    element(
      "time",
      { datetime: time.toISOString() },
      time.toLocaleTimeString(document.documentElement.lang, { hour12: false }),
    ),
    element("code", { class: "request" }, request),
    element("strong", {}, code(row) + (decision ? "" : ` ${text("not_protected")}`)),
    element("span", { class: "way" }, way),
    element(
      "span",
      { class: "actions" },
      element(
        "button",
        { type: "button", "aria-label": text("show_row", { row: name }), onclick: () => show(row) },
        text("show"),
      ),
      ...(row.curl ? [copyButton(row, name)] : []),
    ),
  );
  if (decision?.reason) it.querySelector("strong").append(" ", element("small", {}, ...reason(decision.reason)));
  return it;
}

function show(row) {
  showRow(row);
  scrollToVerdict();
}

function copyButton(row, name) {
  const button = element(
    "button",
    { type: "button", "aria-label": text("copy_curl_row", { row: name }) },
    text("copy_curl"),
  );
  button.addEventListener("click", () => copy(row.curl, button, button.closest("li")));
  return button;
}

/** To the clipboard; where that is forbidden, the text is shown under `place`, selected. */
export async function copy(content, button, place) {
  const told = document.getElementById("told");
  const before = button.textContent;
  place.querySelector(":scope > .copy")?.remove();
  try {
    await navigator.clipboard.writeText(content);
    button.textContent = told.textContent = text("copied");
    setTimeout(() => (button.textContent === text("copied") ? (button.textContent = before) : null), 2000);
  } catch {
    told.textContent = text("copy_failed");
    const field = element("textarea", { class: "copy", readonly: "", rows: 3, "aria-label": text("copy_failed") });
    field.value = content;
    place.append(field);
    field.focus();
    field.select();
  }
}

function renderEnd() {
  ended.replaceChildren(...(over ? rich("ended") : []));
}

onLanguage(() => {
  list.replaceChildren(...rows.map(item));
  renderEnd();
});

/** Begin to ask. */
export function start() {
  refresh();
  setInterval(() => document.hidden || waiting || refresh(), PERIOD);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}
