/* Forms that arrive are attached, forms that leave are detached. */

import { owners } from "./attach.js";
import { all } from "./dom.js";

const ID = "data-geetest-captcha-id";
const PAUSE = 50; // ms

let begin;
const faulty = new WeakSet();

export function sweep() {
  owners.forEach((owner) => owner.check());
  for (const form of all(`form[${ID}]`)) {
    if (owners.has(form) || faulty.has(form)) continue;
    try {
      begin(form);
    } catch (error) {
      faulty.add(form);
      console.error(error); // one form's wrong attribute is not another form's affair
    }
  }
}

const watch = () => observer.observe(document, { childList: true, subtree: true, attributeFilter: [ID] });

// Deaf for a moment after each change: a page that is busy pays for one look at it, and not for each of its nodes.
const observer = new MutationObserver(() => {
  observer.disconnect();
  setTimeout(() => {
    watch();
    sweep();
  }, PAUSE);
});

export function watchForms(attachOne) {
  begin = attachOne;
  watch();
  addEventListener("reset", (event) => owners.get(event.target)?.reset(), true);
  // Back from the browser's cache, with the page as it was left.
  addEventListener("pageshow", (event) => event.persisted && owners.forEach((owner) => owner.reset()));
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", sweep);
  else sweep();
}
