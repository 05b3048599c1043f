"""A page that logs in by fetch with JSON: geetest-form.js adds the token to the object, and the page does not see it.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.json_login:app
"""

import os

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from geetest_asgi import GeeTestMiddleware, geetest_result
from geetest_asgi.frontend import form_script

PAGE = """<!doctype html><title>Login</title><script src="https://static.geetest.com/v4/gt4.js" defer></script>
<script src="/geetest/geetest-form.js" defer></script><form method="post" action="/login" data-geetest-product="bind"
data-geetest-captcha-id="CAPTCHA_ID"><input name="username" required><button>Log in</button></form><output></output>
<script>document.forms[0].onsubmit = async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(event.target)));
  const answer = await fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body});
  document.querySelector("output").textContent = (await answer.json())[answer.ok ? "welcome" : "detail"];
};</script>"""
app = FastAPI()
app.add_middleware(GeeTestMiddleware, protect=["POST /login"])
app.mount("/geetest", form_script)


class Login(BaseModel):
    username: str


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE.replace("CAPTCHA_ID", os.environ["GEETEST_CAPTCHA_ID"])


@app.post("/login")
async def login(request: Request, form: Login) -> dict[str, object]:
    return {"welcome": form.username, "unverified": geetest_result(request).unverified}
