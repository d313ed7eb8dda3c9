"""The options that several commands share."""

from typing import Annotated, TypeAlias

import typer

StoreOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where memories are kept: sqlite:///file.db or mongodb://host/database. Default: CONTEXT0_STORE_URL.",
    ),
]
VerboseOption: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to stderr.")]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
UserOption: TypeAlias = Annotated[str, typer.Option("--user", metavar="USER", help="Whose memories.")]
EveryoneOption: TypeAlias = Annotated[
    str | None, typer.Option("--user", metavar="USER", help="Only this user's memories; default: everybody's.")
]
FilterOption: TypeAlias = Annotated[
    str | None, typer.Option("--filter", metavar="JSON", help='Only what passes, such as {"speaker": "Anna"}.')
]
CursorOption: TypeAlias = Annotated[str | None, typer.Option(metavar="TEXT", help="Go on behind this page.")]
