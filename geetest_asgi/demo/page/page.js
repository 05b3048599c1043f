/* The playground: buttons and switches. There is no build step, and nothing comes from another host.

     texts.js     English and Chinese            site.js      what the page sends
     strip.js     who was asked, who was not     visitor.js   the form with the widget
     log.js       the server's own record */

import { copy, onNews, refresh, start } from "./log.js";
import { demo, login, setSeconds, token } from "./site.js";
import { element, onLanguage, rich, text } from "./texts.js";
import "./visitor.js";

const byId = (id) => document.getElementById(id);
let state = null; // how the switches stand; null: the real GeeTest is asked, and there are none
let seconds = 0;

const PADDING = "x".repeat(20 * 1024);
const OFFLINE = {
  lot_number: "V000000cabf2f4f37bbb10c358b865c41",
  captcha_output: "1X_RK3ag_IklW15iHhSywQ==",
  pass_token: "2cc051e0".padEnd(64, "0"),
  gen_time: "1623828054",
};

/** Four fields of the right shape, made up on the spot. */
function madeUp() {
  const hex = (bytes) =>
    [...crypto.getRandomValues(new Uint8Array(bytes))].map((each) => each.toString(16).padStart(2, "0")).join("");
  const gen_time = String(Math.floor(Date.now() / 1000));
  return { lot_number: hex(16), captcha_output: hex(96), pass_token: hex(32), gen_time };
}

async function replay() {
  const fields = await token();
  await login(fields);
  return login(fields);
}

const MINTED = true; // the button needs the simulator's tokens
const ATTACKS = [
  ["missing", () => login({ username: "bot" })],
  ["replay", replay, MINTED],
  ["expired", async () => login(await token("expired")), MINTED],
  ["forged", () => login(madeUp())],
  ["offline", () => login(OFFLINE)],
  ["malformed", () => login({ ...madeUp(), gen_time: "abc" })],
  ["oversized", () => login({ padding: PADDING, ...madeUp() })],
  ["spelling", () => login({ username: "bot" }, { path: "//LOGIN/" })],
  ["get", () => login(null, { method: "GET" })],
];

function addButton(list, name, send) {
  const button = element("button", { type: "button", "data-t": name, "aria-describedby": `${name}_about` });
  const brought = element("output", {});
  button.addEventListener("click", async () => {
    button.disabled = true;
    brought.textContent = "…";
    brought.className = "";
    try {
      const answer = await send();
      const [sign, look] = !answer.ok ? ["✕", "out"] : answer.body.verified === false ? ["!", "unsure"] : ["✓", "in"];
      brought.textContent = `${sign} ${answer.text}`;
      brought.className = look;
    } catch {
      brought.textContent = text("broken");
    } finally {
      button.disabled = false;
      if (document.activeElement === document.body) button.focus(); // a disabled button has lost it
    }
  });
  const about = element("p", { id: `${name}_about`, "data-t": `${name}_about` });
  list.append(element("li", {}, button, brought, about));
}

function addButtons() {
  for (const [name, send, minted] of ATTACKS) if (!minted || state) addButton(byId("attacks"), `attack_${name}`, send);
  if (state) addButton(byId("try"), "try_good", async () => login(await token()));
  byId("break").hidden = !state;
}

function showSwitches() {
  if (!state) return;
  for (const [name, value] of Object.entries(state))
    for (const radio of byId("switches").elements[name]) radio.checked = radio.value === value;
  const known = ["up", "down", "hanging", "garbled"].includes(state.geetest);
  const ill = state.geetest !== "up";
  const now = element("span", {}, ...(known ? rich(`forecast_${state.geetest}`, { seconds }) : [state.geetest]));
  const then = element("span", {}, ...(ill ? rich(`forecast_${state.policy}`) : []));
  byId("forecast").replaceChildren(now, then);
}

let shownCode = "";
function showCode(code) {
  if (code === shownCode) return;
  const before = shownCode && shownCode.split("\n");
  shownCode = code;
  const lines = code.trimEnd().split("\n");
  const changed = (line) => before && !before.includes(line);
  byId("code").replaceChildren(...lines.flatMap((line) => [changed(line) ? element("mark", {}, line) : line, "\n"]));
  for (const line of lines.filter(changed)) byId("told").textContent = text("code_changed", { line: line.trim() });
}

let begun = false;
onNews((news) => {
  const moved = JSON.stringify(news.state) !== JSON.stringify(state) || news.seconds !== seconds;
  [state, seconds] = [news.state, news.seconds];
  setSeconds(seconds);
  showCode(news.code);
  if (!begun) {
    begun = true;
    addButtons();
    onLanguage(render);
  } else if (moved) showSwitches();
});

function render() {
  for (const each of document.querySelectorAll(".attacks [data-t]")) each.replaceChildren(...rich(each.dataset.t));
  byId("about").replaceChildren(...rich(state ? "about" : "about_live"));
  showSwitches();
}

byId("switches").addEventListener("change", async (event) => {
  await demo("state?" + new URLSearchParams({ [event.target.name]: event.target.value }), "POST").catch(() => {});
  await refresh();
});
byId("copy-code").addEventListener("click", () => copy(shownCode, byId("copy-code"), byId("code").parentElement));
start();
