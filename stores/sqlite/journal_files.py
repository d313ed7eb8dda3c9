"""Which process has which journal file: one exclusive lock each, which the kernel lets go of when its holder dies.

The lock is on a file of its own: SQLite has locks of its own on the database, and closing any other handle of that
file would take them away.
"""

import fcntl
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stores.sqlite.folders import make_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedFile:
    """A journal file that is this process's until it is released."""

    path: Path
    descriptor: int

    def release(self, *, remove: bool) -> None:
        """Let go of the file, and remove it if nobody needs it any more."""
        if remove:
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").unlink()
            with suppress(FileNotFoundError):
                _lock_of(self.path).unlink()
        os.close(self.descriptor)


def claim_left(folder: Path) -> list[ClaimedFile]:
    """Claim the files of the folder that no living process holds. Raises OSError."""
    claimed = (claim(path) for path in sorted(folder.glob("*.db")))
    return [file for file in claimed if file is not None]


def claim_new(folder: Path) -> ClaimedFile:
    """Claim a file that does not exist yet; the folder is made, for its owner only. Raises OSError."""
    make_folder(folder)
    claimed = claim(folder / f"chats-{uuid.uuid4().hex}.db")
    if claimed is None:
        raise OSError(f"the new file in {folder} was taken by another process at once")
    return claimed


def claim(path: Path) -> ClaimedFile | None:
    """Return the file if nobody holds it, whether it exists or not. Raises OSError."""
    lock = _lock_of(path)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = lock.stat().st_ino == os.fstat(descriptor).st_ino  # else it was removed since it was opened
    except (BlockingIOError, FileNotFoundError):
        same = False
    except BaseException:
        os.close(descriptor)
        raise
    if not same:
        os.close(descriptor)
        return None
    return ClaimedFile(path=path, descriptor=descriptor)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")
