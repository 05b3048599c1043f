/* geetest-form.js: GeeTest CAPTCHA v4 on forms and requests, for a server that geetest_asgi guards. docs/front-ends.md

     dom, texts, options   past clobbered names; what visitors are told; what pages ask for
     captcha               GeeTest's widget as promises
     token, deliver        how a token is put into a request, and sent
     view, attach          one form, or one list of paths
     claim                 whose captcha a request needs
     submit, requests      what the browser and the page's own code send is held until there is a token
     sweep                 forms that arrive and leave */

import { attach as attachOne } from "./attach.js";
import { captcha as make } from "./captcha.js";
import { denial as denialOf, fetchWith } from "./deliver.js";
import { rootOf } from "./dom.js";
import { holdRequests } from "./requests.js";
import { holdSubmissions, watchSubmissions } from "./submit.js";
import { watchForms } from "./sweep.js";

const KEY = Symbol.for("geetest-form"); // no element can be named by a symbol

function attachHere(host, options) {
  holdSubmissions(); // not before there is something to hold for; a second time changes nothing
  holdRequests();
  watchSubmissions(rootOf(host));
  return attachOne(host, options);
}

function start() {
  window.GeetestForm = window[KEY] = { attach: attachHere, captcha: make, fetch: fetchWith, denial: denialOf };
  watchSubmissions(window);
  watchForms(attachHere);
}

if (!window[KEY]) start(); // loaded twice, it would hold each request twice
export const { attach, captcha, fetch, denial } = window[KEY];
