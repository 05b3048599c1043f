"""A page that logs in by fetch: JSON, with all that getValidate() gives under "captcha".

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.json_login:app
"""

import os
from typing import Annotated

from fastapi import Body, FastAPI, Request
from fastapi.responses import HTMLResponse

from geetest_asgi import GeeTestMiddleware, geetest_result

PAGE = """<!doctype html><title>Login</title><script src="https://static.geetest.com/v4/gt4.js"></script>
<form><input name="username"><input name="password" type="password"><div id="captcha"></div><button>Go</button></form>
<script>initGeetest4({captchaId: "CAPTCHA_ID", product: "float"}, (captcha) => {
  captcha.appendTo("#captcha");
  document.forms[0].onsubmit = async (event) => {
    event.preventDefault();
    const body = JSON.stringify({...Object.fromEntries(new FormData(event.target)), captcha: captcha.getValidate()});
    const answer = await fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body});
    captcha.reset();  // a token is good once, whatever became of it
    alert((await answer.json())[answer.ok ? "welcome" : "detail"]);
  };
});</script>"""
Text = Annotated[str, Body()]  # one key of the JSON object
app = FastAPI()
app.add_middleware(GeeTestMiddleware, protect=["POST /login"], fields="captcha")


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE.replace("CAPTCHA_ID", os.environ["GEETEST_CAPTCHA_ID"])


@app.post("/login")
async def login(request: Request, username: Text, password: Text) -> dict[str, object]:
    return {"welcome": username, "unverified": geetest_result(request).unverified}
