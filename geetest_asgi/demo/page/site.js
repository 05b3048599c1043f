/* What the page sends: requests to the login, and to the demo's own switches. */

import { refresh } from "./log.js";
import { showIdle, showWaiting } from "./strip.js";

const answer = document.getElementById("answer");
let seconds = 0; // the guard's timeout, as the server says it

const plainFetch = window.fetch.bind(window); // before geetest-form.js holds what has no token: attacks have none

export const setSeconds = (said) => (seconds = said);

/** GET or POST to one of the demo's own pages. */
export async function demo(path, method = "GET") {
  const response = await fetch("/demo/" + path, { method, cache: "no-store" });
  const said = await response.json();
  if (!response.ok) throw new Error(said.error);
  return said;
}

/** The four fields, from the simulator: fresh, expired, forged, used or offline. */
export const token = (kind = "fresh") => demo("token?kind=" + kind);

/** A request to the login is under way. */
export function sending() {
  answer.hidden = true; // it is that of the request before
  showWaiting(seconds);
}

/** One request to the login: {status, ok, body, text}. Ends when the log has its row. */
export async function login(fields, { method = "POST", path = "/login" } = {}) {
  sending();
  try {
    const body = method === "GET" ? undefined : new URLSearchParams(fields);
    return await received(await plainFetch(location.origin + path, { method, body, cache: "no-store" }));
  } catch (error) {
    showIdle();
    throw error;
  }
}

/** What came of it, word for word and in short. */
export async function received(response) {
  const body = await response.json();
  const headers = ["content-type", "cache-control", "retry-after"].filter((name) => response.headers.has(name));
  answer.querySelector("pre").textContent = [
    `HTTP ${response.status}`,
    ...headers.map((name) => `${name}: ${response.headers.get(name)}`),
    "",
    JSON.stringify(body, null, 2),
  ].join("\n");
  answer.hidden = false;
  await refresh();
  const outcome = body.code || body.outcome || "";
  return { status: response.status, ok: response.ok, body, text: `${response.status} ${outcome}`.trim() };
}
