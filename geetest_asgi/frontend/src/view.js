/* What a form is given: a place for the widget, a message, and hidden inputs. `host` is the form, or the element whose
   page sends requests without one. */

import { all, append, create, prepend, queryAll } from "./dom.js";
import { named } from "./token.js";

export function view(host, form, { fields, place, bind }) {
  const added = [];
  const find = (selector) => form && queryAll(form, selector)[0];
  const button = form && [...queryAll(form, "button, input")].find(({ type }) => /submit|image/.test(type));
  const above = (it) => (button ? button.before(it) : append(host, it));

  function add(tag, put, attributes) {
    const it = Object.assign(create(tag), attributes);
    it.dataset.geetestAdded = "";
    added.push(it);
    put(it);
    return it;
  }
  const input = (name) =>
    find(`input[name=${CSS.escape(name)}]`) ||
    add("input", (it) => prepend(form, it), { type: "hidden", name, autocomplete: "off" });

  queryAll(host, "[data-geetest-added]").forEach((copy) => copy.remove()); // of a page that was stored and has come back
  const spot = typeof place === "string" ? all(place)[0] : place || find("[data-geetest-place]");
  const home = bind ? null : add("div", spot ? (it) => spot.append(it) : above);
  const message = find("[data-geetest-message]") || add("p", above, { className: "geetest-form-message" });
  message.role = "alert";

  return {
    home,
    /** Without a token all inputs are emptied; those that are missing are put in. */
    fill(token) {
      if (form) named(token, fields).forEach(([name, value]) => (input(name).value = value));
    },
    say(text) {
      message.hidden = !text; // shown first: an alert is read out when its text changes
      message.textContent = text;
    },
    focusWidget: () => home.querySelector("button, [tabindex]")?.focus(),
    isWhole: () => added.every((it) => it.isConnected),
    remove: () => added.forEach((it) => it.remove()),
  };
}
