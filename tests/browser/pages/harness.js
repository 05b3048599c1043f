// What the tests call in the page: makes a captcha, listens to all of its events and writes them down.
"use strict";
const EVENTS = ["ready", "nextReady", "boxShow", "success", "fail", "error", "close"];
const happened = [];
let captcha = null;

function listen(object) {
  for (const name of EVENTS) {
    object[`on${name[0].toUpperCase()}${name.slice(1)}`]((value) => happened.push([name, value]));
  }
}

function start(options, place) {
  return new Promise((made) => {
    const onError = (error) => { happened.push(["onError", error]); made(); };
    const offlineCb = options.offlineCb && (() => { happened.push(["offlineCb", null]); made(); });
    setTimeout(made, 9000); // so that a test fails, and does not wait for ever
    let within = true;
    initGeetest4({...options, onError, offlineCb}, (object) => {
      if (within) happened.push(["called back at once", null]);
      captcha = object;
      listen(captcha);
      if (place) captcha.appendTo(place);
      made();
    });
    within = false;
  });
}
