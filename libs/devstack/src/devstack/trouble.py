"""What goes wrong on a developer's machine, each as one sentence that says what to do."""

import errno
from pathlib import Path


class Trouble(Exception):
    """Stops the command with this one sentence on stderr and a non-zero exit; `log`'s last lines follow it."""

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.log = log

    def __str__(self) -> str:
        return self.sentence if self.log is None else f"{self.sentence}\n{last_lines(self.log)}"


FULL_DISK_MARKS = ("No space left on device", "Disk quota exceeded")


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, indented; empty when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in lines[-count:])


def full_disk(error: BaseException) -> bool:
    """Whether a full disk (or quota) is what lies behind the error, anywhere in its causes."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(mark in str(seen) for mark in FULL_DISK_MARKS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
