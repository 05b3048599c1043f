/* The visitor's form, as a site would write it: the widget, its four values beside the form's own, one request. */

import { login } from "./site.js";
import { isChinese, onLanguage, text } from "./texts.js";

const gt4 = document.getElementById("gt4");
const form = document.getElementById("login");
const greeting = document.getElementById("greeting");
let captcha = null;
let made = 0; // the widget is made anew in each language; a late one of another language is thrown away
let said = null;

/** Four random-looking fields of the right shape. */
export const captchaId = gt4.dataset.captchaId;

function start() {
  const mine = ++made;
  captcha?.destroy();
  captcha = null;
  if (!window.initGeetest4) return say("no_widget");
  const options = { captchaId, product: "float", language: isChinese() ? "zho" : "eng", nativeButton: { width: "100%" } };
  window.initGeetest4(options, (fresh) => {
    if (mine !== made) return fresh.destroy();
    captcha = fresh;
    captcha.appendTo("#captcha");
    captcha.onSuccess(() => say(null));
  });
}

function say(key, values) {
  said = key && { key, values };
  greeting.textContent = said ? text(key, values) : "";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = captcha?.getValidate();
  if (!fields) return say(window.initGeetest4 ? "solve_first" : "no_widget");
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  say("waiting");
  const name = form.elements.username.value;
  try {
    const { ok, body } = await login({ username: name, ...fields });
    if (ok) return say(body.verified ? "welcome" : "welcome_unverified", { name });
    say(`retry_${body.retry}`, { code: body.code });
    if (body.retry === "solve") captcha.reset();
  } catch {
    say("broken");
  } finally {
    button.disabled = false;
  }
});

onLanguage(() => {
  start();
  if (said) say(said.key, said.values);
});
