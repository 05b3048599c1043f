/* What a visitor is told, in the captcha's language or the page's. What the guard says of a denial comes from the guard. */

const ENGLISH = {
  required: "Please solve the captcha first.",
  error: "The captcha does not work. Please try again later.",
  network: "Sending failed. Please try again.",
};
const CHINESE = {
  required: "请先完成验证。",
  error: "验证码暂时无法使用，请稍后再试。",
  network: "发送失败，请重试。",
};

export const textsIn = (language) => (/^zh/i.test(language) ? CHINESE : ENGLISH);
