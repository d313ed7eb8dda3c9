"""The floor of the service: a FastAPI route that returns given bytes. `python -m load_tests.service.bare FILE PORT`."""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response


def main() -> None:
    answer = Path(sys.argv[1]).read_bytes()
    app = FastAPI()

    @app.post("/v1/memories/search")
    async def search(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning"))
    server.run()


if __name__ == "__main__":
    main()
