"""The floor of the service: FastAPI routes that return given bytes. `python -m load_tests.service.bare FILE PORT`.

The stream sends five events, the first after eight seconds, as the benchmark's model does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse


def main() -> None:
    answer = Path(sys.argv[1]).read_bytes()
    app = FastAPI()

    @app.post("/v1/memories/search")
    async def search(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    async def events() -> AsyncIterator[bytes]:
        yield b"event: session\ndata: {}\n\n"
        await asyncio.sleep(8)
        for _ in range(5):
            yield b"event: token\ndata: {}\n\n"
            await asyncio.sleep(0.2)
        yield b"event: done\ndata: {}\n\n"

    @app.post("/v1/chat")
    async def chat(request: Request) -> Response:
        await request.body()
        return StreamingResponse(events(), media_type="text/event-stream")

    port = int(sys.argv[2])
    uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", backlog=4_096)).run()


if __name__ == "__main__":
    main()
