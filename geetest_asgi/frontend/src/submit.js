/* Submissions by the browser: the event is heard first and last, form.submit() and a navigation are stopped. */

import { owners, passing } from "./attach.js";
import { press } from "./claim.js";
import { attribute, listen, submitPlainly } from "./dom.js";
import { sweep } from "./sweep.js";

/** In front of all listeners: a press too many is nobody's business, and a release has been heard before. */
function onFirst(event) {
  if (passing) return event.stopImmediatePropagation();
  if (press.event === event) return; // seen further out
  const { target, submitter, currentTarget } = event;
  sweep(); // the form may have come in this very moment
  const owner = owners.get(target);
  if (!owner || /^dialog$/i.test(attribute(target, "method", submitter))) return;
  if (owner.isTwice(event) && event.isTrusted) {
    event.preventDefault();
    return event.stopImmediatePropagation();
  }
  Object.assign(press, { event, owner });
  owner.isLeaving = false;
  currentTarget.removeEventListener("submit", onLast);
  currentTarget.addEventListener("submit", onLast);
}

/** Behind all listeners: who wanted to prevent it, has done so. */
function onLast(event) {
  if (press.event !== event || !event.isTrusted || event.defaultPrevented) return;
  event.preventDefault();
  owners.get(event.target)?.hold(event.submitter);
}

/** A listener that stops the event on its way keeps it from `onLast`; the navigation is stopped instead. Its source is
    the button, else the form. A browser that does not say sends the form without a token, and the guard denies it. */
function onNavigate(event) {
  const source = event.sourceElement;
  const owner = owners.get(source) || owners.get(source?.form);
  if (owner?.isLeaving !== false) return;
  event.preventDefault();
  owner.hold(source === owner.form ? null : source);
}

/** A shadow tree keeps the event inside, so each root is watched. A listener that is added again is not added. */
export const watchSubmissions = (root) => listen(root, "submit", onFirst, true);

export function holdSubmissions() {
  HTMLFormElement.prototype.submit = function submit() {
    const owner = owners.get(this);
    if (owner) owner.holdPlain();
    else submitPlainly(this);
  };
  if (window.navigation) navigation.addEventListener("navigate", onNavigate);
}
