"""The site of one worker: `uvicorn tests.stores.site:app`. POST /moved?to=… is sent on with 307."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware


async def login(request: Request) -> Response:
    return JSONResponse({"worker": os.getpid(), "outcome": request.state.geetest.outcome})


async def moved(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"], 307)


app = Starlette(routes=[Route("/login", login, methods=["POST"]), Route("/moved", moved, methods=["POST"])])
app.add_middleware(GeeTestMiddleware, protect="/**", store=os.environ["SPENT_TOKENS"])
