"""Becomes a child program: tied to its parent's life, and as another account where root is refused.

Run by path with `python -I -S`, so only the standard library is at hand and it costs some 15 ms:

    launch.py PARENT_PID DEATH_SIGNAL [--as ACCOUNT --reach PATH...] -- PROGRAM [ARGUMENT...]

DEATH_SIGNAL reaches the program when its parent dies in any way, SIGKILL included (Linux). `--as` gives up root
for ACCOUNT. When ACCOUNT could not walk to one of the paths (a repository below /root, say), the program keeps one
capability, to pass through directories, instead of any directory's permissions being changed.
Exit 125: the parent was gone already. Exit 126: one sentence on stderr.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS = 1, 8
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522


class CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySet(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def die_with_parent(libc: ctypes.CDLL, parent: int, signal: int) -> None:
    checked(libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0))
    if os.getppid() != parent:
        sys.exit(125)


def become(libc: ctypes.CDLL | None, account: str, paths: list[str]) -> None:
    import pwd

    entry = pwd.getpwnam(account)
    if libc is not None:
        checked(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setregid(entry.pw_gid, entry.pw_gid)
    os.setreuid(entry.pw_uid, entry.pw_uid)
    closed = [path for path in paths if not opens(path)]
    if libc is not None:
        keep_only(libc, (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if closed else ())
    still_closed = [path for path in closed if not opens(path)]
    if still_closed:
        sys.stderr.write(
            f"{still_closed[0]} is out of reach of the account {account}, which must run this as root may not\n"
        )
        sys.exit(126)


def opens(path: str) -> bool:
    """By opening, as access(2) does not count capabilities."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True


def keep_only(libc: ctypes.CDLL, wanted: tuple[int, ...]) -> None:
    """Keeps the first of `wanted` that the process may have, across exec, and gives up every other capability."""
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    had = (CapabilitySet * 2)()
    checked(libc.capget(ctypes.byref(header), ctypes.byref(had)))
    kept = next((capability for capability in wanted if had[0].permitted & 1 << capability), None)
    mask = 0 if kept is None else 1 << kept
    keep = (CapabilitySet * 2)()
    keep[0] = CapabilitySet(mask, mask, mask)
    checked(libc.capset(ctypes.byref(header), ctypes.byref(keep)))
    if kept is not None:
        checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept, 0, 0))


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    (parent, signal, *options), program = arguments[:split], arguments[split + 1 :]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if options:
        become(libc, account=options[1], paths=options[3:])
    if libc is not None:
        die_with_parent(libc, int(parent), int(signal))  # after the change of account, which clears it
    os.execvp(program[0], program)  # noqa: S606 - our own programs


if __name__ == "__main__":
    main(sys.argv[1:])
