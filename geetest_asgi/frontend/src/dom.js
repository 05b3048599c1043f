/* Documents and forms show their named elements as properties: <input name="querySelector"> hides the method, and
   <form name="GeetestForm"> the global. What is called on a form or the document is called past those names. */

const method = (type, name) => Function.prototype.call.bind(type.prototype[name]);

export const attr = method(Element, "getAttribute");
export const queryAll = method(Element, "querySelectorAll");
export const append = method(Element, "append");
export const prepend = method(Element, "prepend");
export const listen = method(EventTarget, "addEventListener");
export const dispatch = method(EventTarget, "dispatchEvent");
export const rootOf = method(Node, "getRootNode");
export const submitPlainly = method(HTMLFormElement, "submit");
export const requestSubmit = method(HTMLFormElement, "requestSubmit");

const select = method(Document, "querySelectorAll");
const createIn = method(Document, "createElement");
export const all = (selector) => select(document, selector);
export const create = (tag) => createIn(document, tag);

/** An address as the page means it: against its <base>. */
export const resolve = (url) => new URL(new Request(url).url);

/** What a submission by this button goes by: `formaction` before `action`. */
export const attribute = (form, name, submitter) =>
  (submitter && attr(submitter, "form" + name)) || attr(form, name) || "";

export const nothing = () => {};
/** A promise of the next task: all listeners of the present event have been called by then. */
export const task = () => new Promise((done) => setTimeout(done));
export const nativeFetch = window.fetch.bind(window);
