/* The visitor's form, as a site would write it: geetest-form.js puts the widget and the four values in. */

import { received, sending } from "./site.js";
import { showIdle } from "./strip.js";
import { isChinese, onLanguage, text } from "./texts.js";

const { captchaId } = document.getElementById("gt4").dataset;
const form = document.getElementById("login");
const greeting = document.getElementById("greeting");
let attached = null;
let said = null; // the key of the greeting

function greet(key) {
  said = key;
  greeting.dataset.said = said ?? "";
  greeting.textContent = said ? text(said, { name: form.elements.username.value }) : "";
}

// Before geetest-form.js hears of it, which empties the fields.
form.addEventListener("submit", () => {
  greet(null);
  if (form.elements.lot_number.value) sending();
});
form.addEventListener("geetest:response", async ({ detail }) => {
  const { body } = await received(detail.response);
  greet(body.verified ? "welcome" : "welcome_unverified");
});
form.addEventListener("geetest:denied", ({ detail }) => received(detail.response));
form.addEventListener("geetest:error", showIdle);

onLanguage(() => {
  attached?.detach(); // the widget is made anew in each language
  const widget = {
    captchaId,
    product: "float",
    language: isChinese() ? "zho" : "eng",
    nativeButton: { width: "100%" },
  };
  attached = window.GeetestForm.attach(form, { ...widget, place: "#captcha", ajax: true });
  greet(said);
});
