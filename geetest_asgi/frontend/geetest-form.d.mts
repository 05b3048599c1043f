/** GeeTest CAPTCHA v4 on forms and requests, for a server that geetest_asgi guards. docs/front-ends.md */

/** What `getValidate()` of GeeTest's widget gives. It counts once. */
export interface Token {
  lot_number: string;
  captcha_output: string;
  pass_token: string;
  gen_time: string;
}

/** `code` is GeeTest's ("-50102", "60203"), or one of ours. "closed": the visitor has closed the captcha; `name` is
    "AbortError" then. */
export interface CaptchaError extends Error {
  code: "closed" | "no_gt4" | "offline" | "network" | "origin" | "paths" | "sync" | (string & {});
  msg: string;
  desc: { detail: string; [key: string]: unknown };
}

/** GeeTest's options; what is not listed is handed on as it is. */
export interface CaptchaOptions {
  captchaId: string;
  /** @default "float" */
  product?: "float" | "popup" | "bind";
  language?: string;
  nativeButton?: { width?: string; height?: string };
  rem?: number;
  hideBar?: ("close" | "refresh")[];
  mask?: { outside?: boolean; bgColor?: string };
  timeout?: number;
  nextWidth?: string;
  riskType?: string;
  hideSuccess?: boolean;
  userInfo?: string;
  protocol?: "http://" | "https://";
  apiServers?: string[];
  staticServers?: string[];
  onError?: (error: CaptchaError) => void;
  offlineCb?: () => void;
  [option: string]: unknown;
}

/** GeeTest's widget, as its documentation has it. */
export interface Widget {
  appendTo(target: string | Element): Widget;
  showCaptcha(): Widget;
  getValidate(): (Token & { captcha_id: string }) | false | undefined;
  reset(): Widget;
  destroy(): void;
  [method: string]: unknown;
}

/** The widget as promises: one token at a time. */
export interface Captcha {
  readonly widget: Widget;
  /** The token that is there, or null. */
  result(): Token | null;
  /** A promise of it: `bind` is shown, the others wait for the visitor. */
  solve(): Promise<Token>;
  /** As `solve()`, and it is yours alone: the captcha is reset. */
  take(): Promise<Token>;
  /** Call `job` with a token that nobody else gets; after its answer the captcha is reset, unless the guard has kept
      the token (`X-GeeTest-Token: kept`). With a `signal` that was aborted before, no token is taken. */
  use<Answer>(job: (token: Token) => Promise<Answer> | Answer, signal?: AbortSignal): Promise<Answer>;
  reset(): void;
  destroy(): void;
}

/** The guard's denial: RFC 9457 problem+json. Of a denial with another body, such as a page, only `code` and `retry`
    are known. */
export interface Problem {
  code: `captcha_${string}`;
  retry: "solve" | "later" | "never";
  status?: number;
  title?: string;
  detail?: string;
  type?: string;
}

/** When a captcha is wanted: for each request, or once the guard has asked for it. */
export type When = "always" | "asked";

export interface AttachOptions extends CaptchaOptions {
  /** The same value as the guard's `fields=`. */
  fields?: "camelCase" | `${string}_` | `${string}-` | Partial<Record<keyof Token, string>> | (string & {});
  /** Where the token goes in a request by script: "body", "header", or both, which is the default. */
  sources?: "body" | "header" | "body header";
  /** Send the form by fetch, and tell of the answer by events. */
  ajax?: boolean;
  /** Where the widget goes: an element or a selector. */
  place?: Element | string;
  messages?: Partial<Record<"required" | "error" | "network" | Problem["retry"], string>>;
  /** @default "always" */
  when?: When;
  /** Requests that need a token wherever they come from: "POST /api/orders"; with a * at its end all that begins so. */
  paths?: string[];
  /** Other origins that a token may go to. */
  origins?: string[];
}

export interface Attached {
  form: Element;
  ready(): Promise<Captcha>;
  reset(): void;
  /** Leave the form as it was found. */
  detach(): void;
}

/** Put a captcha on a form; or, on another element, on the requests to `paths`. Twice is the same as once. */
export function attach(form: HTMLFormElement, options?: Partial<AttachOptions>): Attached;
export function attach(host: Element, options: AttachOptions & { paths: string[] }): Attached;

/** A captcha without a form. */
export function captcha(options: CaptchaOptions): Promise<Captcha>;

/** `fetch` with the token in four headers. */
export function fetch(
  url: RequestInfo | URL,
  init: RequestInit | undefined,
  captcha: Captcha,
  options?: { origins?: string[]; when?: When },
): Promise<Response>;

/** The guard's denial, or null if the response is the app's own. */
export function denial(response: Response): Promise<Problem | null>;

/** What happens on a form, for `addEventListener`; the events bubble. */
export interface GeetestEvents {
  "geetest:ready": CustomEvent<{ captcha: Captcha }>;
  "geetest:solved": CustomEvent<null>;
  "geetest:closed": CustomEvent<null>;
  "geetest:response": CustomEvent<{ response: Response }>;
  "geetest:denied": CustomEvent<{ response: Response; problem: Problem }>;
  "geetest:error": CustomEvent<{ error: CaptchaError }>;
}

declare global {
  /** The same four functions, where the script was loaded by a tag. */
  var GeetestForm: {
    attach: typeof attach;
    captcha: typeof captcha;
    fetch: typeof fetch;
    denial: typeof denial;
  };
  interface HTMLElementEventMap extends GeetestEvents {}
  interface DocumentEventMap extends GeetestEvents {}
  interface WindowEventMap extends GeetestEvents {}
}
