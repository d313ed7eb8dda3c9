"""The floor of the service: FastAPI routes that return given bytes.

python -m load_tests.service.bare FILE PORT [SECONDS]: the stream sends five events, the first after so long, as the
benchmark's model does.
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

    first_s = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0

    async def events() -> AsyncIterator[bytes]:
        yield b"event: session\ndata: {}\n\n"
        await asyncio.sleep(first_s)
        for _ in range(5):
            yield b"event: token\ndata: {}\n\n"
            await asyncio.sleep(0.2)
        yield b"event: done\ndata: {}\n\n"

    @app.post("/v1/chat")
    async def chat(request: Request) -> Response:
        await request.body()
        return StreamingResponse(events(), media_type="text/event-stream")

    config = uvicorn.Config(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", backlog=4_096)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
