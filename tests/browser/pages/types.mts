// What TypeScript is to make of geetest-form.d.mts.
import { attach, captcha, denial, fetch, type Captcha } from "./geetest-form.mjs";
const form = document.querySelector("form")!;
attach(form, { captchaId: "x", product: "bind", fields: "geetest_", when: "asked" }).detach();
attach(document.body, { captchaId: "x", paths: ["POST /api/orders"], origins: ["https://api.example"] });
const made: Captcha = await captcha({ captchaId: "x" });
const response: Response = await fetch("/api", { method: "POST" }, made, { when: "asked" });
const status: number = await made.use(async (token) => token.pass_token.length);
const problem = await denial(response);
if (problem) console.log(problem.retry === "solve", problem.detail, status);
form.addEventListener("geetest:denied", ({ detail }) => console.log(detail.problem.code));
GeetestForm.attach(form);
// @ts-expect-error: there is no such product
attach(form, { captchaId: "x", product: "sheet" });
// @ts-expect-error: an element that is no form needs paths
attach(document.body, { captchaId: "x" });
// @ts-expect-error: a request needs a captcha
await fetch("/api", {}, "token");
