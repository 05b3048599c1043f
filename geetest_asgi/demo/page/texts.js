/* What is said, in English and Chinese: one table, texts.json. `code` in a text stands between back-ticks. */

const TABLE = await (await fetch("/demo/page/texts.json")).json();
const KEPT = "geetest_asgi.demo.language";
const listeners = [];
let language = remembered() || preferred();

function remembered() {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept in TABLE ? kept : null;
  } catch {
    return null; // a browser may forbid it
  }
}

/** The first of the browser's languages that there is a table for. */
function preferred() {
  const known = navigator.languages.map((each) => (/^zh\b/i.test(each) ? "zh-CN" : /^en\b/i.test(each) ? "en" : null));
  return known.find(Boolean) || "en";
}

export const isChinese = () => language === "zh-CN";

/** The text, with {name} put in. An unknown key is a mistake of ours and shows. */
export function text(key, values = {}) {
  const found = TABLE[language][key];
  if (found === undefined) throw new Error(`no text ${key}`);
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The same as nodes, its code marked up. What is put in is marked up with it. */
export function rich(key, values) {
  return text(key, values)
    .split("`")
    .map((part, number) => (number % 2 ? element("code", {}, part) : part));
}

/** Why a decision fell, as the server says it, in the page's language; an unknown reason as it came. */
export function reason(said) {
  const [head, rest = ""] = said.split(/: (.*)/s);
  const n = /\d+/.exec(head)?.[0];
  const key = `reason_${head.replace(n, "N").replace(/\W+/g, "_")}`;
  return key in TABLE[language] ? rich(key, { n, rest }) : said ? [element("code", {}, said)] : [];
}

/** An element; `on…` are listeners, everything else an attribute. */
export function element(tag, attributes, ...children) {
  const it = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) it.addEventListener(name.slice(2), value);
    else it.setAttribute(name, value);
  }
  it.append(...children);
  return it;
}

/** Called now, and whenever the language changes. */
export function onLanguage(listener) {
  listeners.push(listener);
  listener();
}

function render() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-t]")) each.replaceChildren(...rich(each.dataset.t));
  for (const each of document.querySelectorAll("[data-t-label]"))
    each.setAttribute("aria-label", text(each.dataset.tLabel));
  for (const each of document.querySelectorAll("[data-language]"))
    each.setAttribute("aria-pressed", String(each.dataset.language === language));
  document.title = `geetest_asgi: ${text("title")}`;
}

for (const each of document.querySelectorAll("[data-language]"))
  each.addEventListener("click", () => {
    language = each.dataset.language;
    try {
      localStorage.setItem(KEPT, language);
    } catch {
      // it is asked again next time
    }
    for (const listener of listeners) listener();
  });
onLanguage(render);
