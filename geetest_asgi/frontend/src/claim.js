/* Whose captcha a request of the page's needs, if any. */

import { owners } from "./attach.js";
import { carries, FIELDS, header, isSafe, permit } from "./token.js";

/** The latest submit event of an attached form, and the form's owner. */
export const press = {};

/** A request to a path that a form or the page names is held. So is one that is sent while a submit event is under way,
    if it has the form's fields, or if the form does not say where it goes. Of what comes later the guard decides:
    the request goes first, and again if the guard asks for a captcha. */
export function claim({ method, url, headers, body }) {
  if (headers.has(header(FIELDS[0]))) return null; // the page has a token of its own
  const permitted = [...owners.values()].filter((it) => permit(url, it.origins));
  const owner = permitted.find((it) => it.protects(method, url));
  if (owner) return { owner, asked: owner.asked, certain: true };
  const { event } = press;
  const now = event?.eventPhase > 0;
  const near = permitted.includes(press.owner) ? [press.owner, ...permitted] : permitted;
  const marked = near.find((it) => it.form && (url.searchParams.has(it.name) || carries(body, it.name)));
  if (marked) return { owner: marked, asked: marked.asked || !now || marked !== press.owner };
  if (near[0] !== press.owner || !event?.defaultPrevented || isSafe(method) || press.owner.targets()[0]) return null;
  return { owner: press.owner, asked: press.owner.asked || !now };
}
