"""Loopback ports: whether one is free, who holds it, and free ones for tests."""

import errno
import random
import socket
import sys
from pathlib import Path

import psutil

from devstack.trouble import Trouble

HOST = "127.0.0.1"
LISTENING = "0A"  # in the kernel's tables
PASSING_SECONDS = 65.0  # a closed connection keeps its port for a minute
# Below Linux's range for outgoing connections (32768 and up), see `reserve`.
FOR_TESTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free(count: int = 1) -> list[int]:
    """That many ports in a row, free right now."""
    for _ in range(200):
        first = random.choice(FOR_TESTS)  # noqa: S311 - not a secret
        ports = list(range(first, first + count))
        if all(map(is_free, ports)):
            return ports
    raise Trouble(f"no {count} free ports in a row were found between {FOR_TESTS.start} and {FOR_TESTS.stop}")


def holder(port: int) -> str | None:
    """Who holds the port, as far as we may see: "nginx (pid 812)"."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    pids = [c.pid for c in connections if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN and c.pid]
    try:
        return f"{psutil.Process(pids[0]).name()} (pid {pids[0]})" if pids else None
    except psutil.NoSuchProcess:
        return None


def passes(port: int) -> bool:
    """Whether all that is in the way of a server is a connection, open or just closed, that was given this port."""
    return not is_free(port) and not listens(port)


def require_free(port: int, purpose: str) -> None:
    """Raises Trouble, naming the port, what it is for and who holds it."""
    if is_free(port):
        return
    held = holder(port) or ("another user's process" if listens(port) else "another process's connection")
    raise Trouble(f"port {port}, needed for {purpose}, is taken by {held}: stop that process, then start again")


_reserved: dict[int, socket.socket] = {}


def reserve(port: int) -> None:
    """Keeps the port from being given to an outgoing connection while its server is down, for as long as we live.

    55432 and 59092 lie where Linux takes the ports of outgoing connections from. A client that calls a server which is
    away can be given that very port, is then connected to itself, and keeps the server from coming back. A socket that
    is bound, and does not listen, stands in the way of that and not in the server's. (BSD and macOS would refuse the
    server, and are left alone.)
    """
    if sys.platform != "linux" or port in _reserved:
        return
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((HOST, port))
    except OSError:
        held.close()  # taken: the server itself will say so
    else:
        _reserved[port] = held


def listens(port: int) -> bool:
    """Whether a server is there, without calling it where that can be seen (each call leaves a port in use behind)."""
    tables = [path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()]
    if not tables:
        return accepts(port)
    rows = (line.split() for table in tables for line in table.read_text().splitlines()[1:])
    return any(row[3] == LISTENING and row[1].endswith(f":{port:04X}") for row in rows)


def accepts(port: int) -> bool:
    """Whether something answers a connection on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False
