/* What a page asks for: `data-geetest-…` of a form, and the paths that it lists. */

import { attr } from "./dom.js";
import { isSafe } from "./token.js";

const WORDS = "fields messages place"; // read here, and never handed on
const NAMES =
  "captchaId product ajax when sources language nativeButton rem hideBar mask timeout nextWidth riskType hideSuccess";

const kebab = (name) => "data-geetest-" + name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());

/** Sanitizers of visitors' HTML let data attributes pass. So there is a list of harmless ones, and what GeeTest's script
    is given has no character that an address, markup or a rule of style would need. */
export function declared(host) {
  const options = {};
  for (const name of `${WORDS} ${NAMES}`.split(" ")) {
    const value = attr(host, kebab(name));
    if (value === null || (!WORDS.includes(name) && !/^[\w\s.,:#%"[\]{}-]*$/.test(value))) continue;
    const json = /^(true|false|\d{1,6}(\.\d+)?|[[{].*)$/s.test(value);
    options[name] = value === "" || (json ? JSON.parse(value) : value);
  }
  return options;
}

/** "POST /api/orders", or with a * at its end all that begins so; without a method all that change something. */
export function pattern(text) {
  const [path, method] = text.split(" ").reverse();
  const start = path.replace(/\*+$/, "");
  return (verb, { pathname }) =>
    (method ? verb === method : !isSafe(verb)) && (start === path ? pathname === path : pathname.startsWith(start));
}
