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

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS = 1, 8, 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
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
    had = permitted(libc) if libc is not None else 0
    if libc is not None:
        checked(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
        # access(2), by which programs look at themselves, counts capabilities only so; refused, it does without
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setregid(entry.pw_gid, entry.pw_gid)
    os.setreuid(entry.pw_uid, entry.pw_uid)
    if libc is not None:
        use(libc, 0, keep=had)
        if out_of_reach(paths):
            pass_through_directories(libc, had)
        else:
            use(libc, 0, keep=0)
    closed = out_of_reach(paths)
    if closed:
        sys.stderr.write(f"{closed[0]} is out of reach of the account {account}, which must run this as root may not\n")
        sys.exit(126)


def out_of_reach(paths: list[str]) -> list[str]:
    return [path for path in paths if not os.access(path, os.R_OK)]


def permitted(libc: ctypes.CDLL) -> int:
    """The capabilities that this process may use, as a mask of the first 32."""
    found = (CapabilitySet * 2)()
    checked(libc.capget(ctypes.byref(CapabilityHeader(CAPABILITY_VERSION_3, 0)), ctypes.byref(found)))
    return int(found[0].permitted)


def use(libc: ctypes.CDLL, mask: int, keep: int) -> None:
    """These from now on, and of `keep` at will; every other one is given up."""
    wanted = (CapabilitySet * 2)()
    wanted[0] = CapabilitySet(mask, keep, mask)
    checked(libc.capset(ctypes.byref(CapabilityHeader(CAPABILITY_VERSION_3, 0)), ctypes.byref(wanted)))


def pass_through_directories(libc: ctypes.CDLL, had: int) -> None:
    """Keeps the one capability for that, across exec too; none where there is none to keep."""
    kept = next((each for each in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if had & 1 << each), None)
    mask = 0 if kept is None else 1 << kept
    use(libc, mask, keep=mask)
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
