"""The routes, one module for each thing that they are about."""

from typing import Final

from context0.api.routes import chat, completions, health, me, memories, quarantine, sessions, tasks

ROUTERS: Final = (
    memories.routes,
    quarantine.routes,
    chat.routes,
    sessions.routes,
    completions.routes,
    tasks.routes,
    me.routes,
    health.routes,
)
