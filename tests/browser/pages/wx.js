/* `wx` of a mini program, as far as docs/clients.md needs it. */
window.wx = {
  // What its documentation says of it: an object is sent as JSON, and `data` is the answer.
  request: async ({url, method, data, success}) => {
    const headers = {"content-type": "application/json"};
    const response = await fetch(new URL(url).pathname, {method, headers, body: JSON.stringify(data)});
    success({data: await response.text(), statusCode: response.status});
  },
  showToast: ({title}) => { window.toast = title; },
};
