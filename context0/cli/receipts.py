"""The commands on receipts of erasures: is it true, and is everything still gone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from context0.cli.opening import engine_for, run, settings_for
from context0.cli.options import JsonOption, StoreOption, VerboseOption
from context0.cli.output import print_json
from context0.errors import InvalidInput

if TYPE_CHECKING:
    from context0.memory.results import ErasureReceipt
    from context0.settings import Settings

commands: Final = typer.Typer()
receipts: Final = typer.Typer()
commands.add_typer(receipts, name="receipts")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A receipt as JSON, as the service returned it.")]


@receipts.callback()
def group() -> None:
    """Check the signed receipts of erasures."""


@receipts.command()
def verify(
    file: FileArgument, *, as_json: JsonOption = False, store: StoreOption = None, verbose: VerboseOption = False
) -> None:
    """Say whether this store made the receipt, unchanged; exit code 1 if not."""
    is_true = run(_verify(settings_for(store), _receipt_in(file)), verbose=verbose)
    if as_json:
        print_json({"verified": is_true})
    else:
        typer.echo("true: this store made it, and it stands as it was made" if is_true else "not this store's receipt")
    if not is_true:
        raise typer.Exit(1)


@receipts.command()
def recheck(
    file: FileArgument, *, as_json: JsonOption = False, store: StoreOption = None, verbose: VerboseOption = False
) -> None:
    """Count again what there is from before the erasure; exit code 1 if anything is left."""
    from context0.cli.chat_listings import show_receipt
    from context0.memory.receipts import receipt_fields

    checked = run(_recheck(settings_for(store), _receipt_in(file)), verbose=verbose)
    if as_json:
        print_json(receipt_fields(checked))
    else:
        show_receipt(checked)
    if not checked.ok:
        raise typer.Exit(1)


def _receipt_in(file: Path) -> "ErasureReceipt":
    from pydantic import ValidationError

    from context0.memory.receipts import receipt_of
    from context0.wire.memories import ReceiptRecord

    try:
        return receipt_of(ReceiptRecord.model_validate_json(file.read_bytes()))
    except ValidationError as exc:
        raise InvalidInput("file", "holds no receipt; save what `DELETE /v1/me` returned") from exc


async def _verify(settings: "Settings", receipt: "ErasureReceipt") -> bool:
    async with engine_for(settings) as engine:
        return await engine.verify_receipt(receipt)


async def _recheck(settings: "Settings", receipt: "ErasureReceipt") -> "ErasureReceipt":
    async with engine_for(settings) as engine:
        return await engine.recheck(receipt)
