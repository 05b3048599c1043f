/* The strip: browser → middleware → GeeTest → handler. Which were reached, and what each said, in words and shapes. */

import { element, onLanguage, reason, rich, text } from "./texts.js";

const SHAPES = { yes: "✓", no: "✕", trouble: "!", sent: "→", open: "→", off: "–", waiting: "…" };
const TROUBLE = ["unavailable", "refused", "misconfigured", "busy"];
const stations = [...document.querySelectorAll("#rail li")];
const said = [...document.querySelectorAll("#said li")];
const verdict = document.getElementById("verdict");
let view = { kind: "idle" };

/** The code that the browser got: of the denial, or of the decision that the handler read. */
export const code = ({ decision, status }) =>
  decision ? `${status} ${decision.allowed ? "" : "captcha_"}${decision.outcome}` : String(status);

/** A row of the log: [shape, word, text] for each station. */
function told(row) {
  const { decision, asked, handled, status } = row;
  const unverified = decision?.allowed && !decision.verified;
  const handler = handled
    ? [unverified ? "trouble" : "yes", "word_ran", rich("handler_ran", { status })]
    : ["off", "word_never_ran", rich("handler_never_ran")];
  return [
    ["sent", "word_sent", [element("code", {}, `${row.method} ${row.target}`)]],
    guard(row),
    geetest(row),
    handler,
  ];

  function guard() {
    if (!decision) return ["open", "word_passed_on", rich("guard_open")];
    const [outage, admitted] = [decision.outcome === "unavailable", decision.allowed ? "allow" : "full"];
    const policy = outage ? `_${row.policy === "allow" ? admitted : "deny"}` : "";
    const words = rich(`guard_${decision.outcome}${policy}`);
    if (!decision.allowed) return ["no", "word_refused", words];
    return decision.verified ? ["yes", "word_let_in", words] : ["trouble", "word_unverified", words];
  }
  function geetest() {
    if (!asked) return ["off", "word_not_asked", rich("geetest_not_asked")];
    const { milliseconds } = decision;
    if (decision.verified) return ["yes", "word_yes", rich("geetest_yes", { milliseconds })];
    const code = decision.code ? [" ", element("code", {}, decision.code)] : [];
    const words = [...reason(decision.reason), ...code, " ", ...rich("took", { milliseconds })];
    return TROUBLE.includes(decision.outcome) ? ["trouble", "word_trouble", words] : ["no", "word_no", words];
  }
}

function verdictOf({ decision, handled }) {
  if (!handled) return "verdict_denied";
  return decision && !decision.verified ? "verdict_unverified" : "verdict_ran";
}

const NAMES = ["browser", "guard", "geetest", "handler"];
const VIEWS = {
  idle: () => [NAMES.map((name) => ["ready", "word_ready", rich(`idle_${name}`)]), rich("idle")],
  waiting: ({ seconds }) => [
    [
      ["sent", "word_sent", rich("idle_browser")],
      ["waiting", "word_waiting", rich("waiting_guard", { seconds })],
      ["waiting", "word_waiting", rich("idle_geetest")],
      ["waiting", "word_waiting", rich("idle_handler")],
    ],
    rich("waiting"),
  ],
  row: ({ row }) => [told(row), [element("strong", {}, code(row)), " ", ...rich(verdictOf(row))]],
};

function show(next) {
  view = next;
  const [shown, summary] = VIEWS[view.kind](view);
  shown.forEach(([shape, word, words], place) => {
    stations[place].dataset.shape = shape;
    stations[place].querySelector(".mark").textContent = SHAPES[shape] || place + 1;
    stations[place].querySelector(".word").textContent = text(word);
    said[place].replaceChildren(element("b", {}, text(NAMES[place])), " ", ...words);
  });
  verdict.replaceChildren(...summary);
}

/** What came of a request. */
export function showRow(row) {
  show({ kind: "row", row });
  for (const station of stations) {
    station.classList.remove("arrives"); // so that the same again is seen to be new
    void station.offsetWidth;
    station.classList.add("arrives");
  }
}

/** Bring the verdict, and the strip above it, into view. */
export function scrollToVerdict() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  verdict.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
}

/** A request is under way; `seconds`: the guard's timeout. */
export const showWaiting = (seconds) => show({ kind: "waiting", seconds });

/** Nothing came of it. */
export const showIdle = () => show({ kind: "idle" });

onLanguage(() => show(view));
