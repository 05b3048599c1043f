"""Several workers that share one memory of spent tokens: a file, or Redis, whichever the environment names.

export SPENT_TOKENS=sqlite:///spent.db
GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.workers_sqlite:app --workers 4
"""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware


async def login(request: Request) -> JSONResponse:
    return JSONResponse({"worker": os.getpid(), "unverified": request.state.geetest.unverified})


app = Starlette(routes=[Route("/login", login, methods=["POST"])])
# sqlite:///relative.db, sqlite:////absolute.db, redis://host:6379/0; not set: each worker's own memory
app.add_middleware(GeeTestMiddleware, protect=["POST /login"], store=os.environ.get("SPENT_TOKENS"))
