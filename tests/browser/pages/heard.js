/* What the tests run in a page with a form: it writes down the events, and what comes of a promise. */
() => {
  window.happened = [];
  window.keep = (promise) => {
    window.sent = null;
    promise.then((value) => { sent = {value}; }, (error) => { sent = {value: error.code || error.name}; });
  };
  for (const name of ["ready", "solved", "closed", "denied", "response", "error"]) {
    addEventListener(`geetest:${name}`, async ({type, detail}) => {
      const body = await detail?.response?.clone().json().catch(() => null);
      const seen = detail && (detail.problem || detail.error?.code || body);
      happened.push([type.slice(8), seen ?? null]);
    });
  }
}
