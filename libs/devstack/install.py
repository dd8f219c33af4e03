"""Makes the project's own environment, .venv, from requirements.lock: `make` runs it before everything else.

Only the standard library, and syntax that Python 3.6 can read, so that it can say in words that it is too old.
Quick when nothing has changed. The stamp in .venv is removed first and written last, so an interrupted install has
none and is started over.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time

OLDEST = (3, 11)
ROOT = os.environ.get("CAUCE_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, ".tools")
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "cauce.stamp")
LOCK = os.path.join(ROOT, "requirements.lock")
UV_LOCK = os.path.join(ROOT, "libs", "devstack", "uv.lock.txt")
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
CHATTER = ("+", "-", "~", "Building ", "Built ", "Downloaded ")
NAME_ANOTHER = "name another Python with `make PYTHON=/path/to/python`"
FULL = ("No space left on device", "Disk quota exceeded", "os error 28", "os error 122")


class Trouble(Exception):
    """Its text is one sentence."""


def main() -> None:
    use_a_new_enough_python()
    os.chdir(ROOT)
    if up_to_date():
        return
    require_venv_module()
    if not os.path.isdir(TOOLS):
        os.makedirs(TOOLS)
    with open(os.path.join(TOOLS, "install.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not up_to_date():
            install()


def use_a_new_enough_python() -> None:
    if sys.version_info >= OLDEST:
        return
    for minor in range(19, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, os.path.abspath(__file__)])  # noqa: S606 - the same, by a newer Python
    oldest, found = ".".join(map(str, OLDEST)), sys.version.split()[0]
    raise Trouble(
        f"Python {oldest} or newer is needed, and {sys.executable} is {found}: install one, or {NAME_ANOTHER}"
    )


def require_venv_module() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Trouble(
            f"{sys.executable} comes without venv and ensurepip, which the project's own environment is made with: "
            f"install them (on Debian and Ubuntu: apt install python3-venv), or {NAME_ANOTHER}"
        ) from None


def members() -> "list[str]":
    return sorted(glob.glob(os.path.join(ROOT, "libs", "*", "")) + glob.glob(os.path.join(ROOT, "services", "*", "")))


def wanted() -> str:
    """What an environment made now would be made from."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for path in [LOCK, UV_LOCK] + [os.path.join(member, "pyproject.toml") for member in members()]:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def up_to_date() -> bool:
    try:
        with open(STAMP) as file:
            return file.read() == wanted() and os.path.exists(os.path.join(VENV, "bin", "python"))
    except OSError:
        return False


def install() -> None:
    whole = os.path.exists(STAMP) and os.path.exists(os.path.join(VENV, "bin", "python"))
    if os.path.exists(VENV) and not whole:
        say("An install was interrupted: starting it over.")
    if os.path.exists(STAMP):
        os.remove(STAMP)
    uv = the_uv()
    env = environment()
    python = os.path.join(VENV, "bin", "python")
    if not whole:
        run("Making .venv", [uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], env)
    with open(LOCK) as file:
        count = sum(1 for line in file if "==" in line)
    run(
        f"Installing {count} packages (the first time about 300 MB)",
        # Compiled here once: where PYTHONDONTWRITEBYTECODE is set, every process would compile all of it anew.
        [uv, "pip", "sync", "--no-progress", "--compile-bytecode", "--python", python, "--require-hashes", LOCK],
        env,
    )
    editable = [argument for member in members() for argument in ("--editable", member)]
    run(
        "Installing the workspace",
        [uv, "pip", "install", "--no-progress", "--python", python, "--no-deps", "--no-build-isolation", *editable],
        env,
    )
    with open(STAMP + ".part", "w") as file:
        file.write(wanted())
    os.rename(STAMP + ".part", STAMP)


def the_uv() -> str:
    """The pinned uv, put into .tools by pip."""
    with open(UV_LOCK, "rb") as file:
        name = hashlib.sha256(file.read() + sys.version.encode()).hexdigest()[:12]
    home = os.path.join(TOOLS, "uv-" + name)
    uv = os.path.join(home, "bin", "uv")
    done = os.path.join(home, "cauce.stamp")
    if not (os.path.exists(done) and os.path.exists(uv)):
        run("Making .tools", [sys.executable, "-m", "venv", "--clear", home], environment())
        pip = [os.path.join(home, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run("Installing uv", [*pip, "--require-hashes", "--requirement", UV_LOCK], environment())
        open(done, "w").close()
    return uv


def environment() -> "dict[str, str]":
    """Ours, so that certificates, proxies and mirrors apply; what only pip is told is told to uv as well."""
    env = dict(os.environ, UV_PYTHON_DOWNLOADS="never", PYTHONNOUSERSITE="1")
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"):
        env.pop(name, None)
    home = env.get("HOME") or ""
    if "UV_CACHE_DIR" not in env and not (os.path.isdir(home) and os.access(home, os.W_OK)):
        env["UV_CACHE_DIR"] = os.path.join(TOOLS, "cache")
    told = pip_configuration()
    for key, name in (("index-url", "UV_DEFAULT_INDEX"), ("extra-index-url", "UV_INDEX"), ("cert", "SSL_CERT_FILE")):
        if key in told:
            env.setdefault(name, told[key])
    for file in CERTIFICATES:  # uv knows a list of its own, which lacks a company's; the machine's has it
        if "SSL_CERT_FILE" not in env and os.path.isfile(file):
            env["SSL_CERT_FILE"] = file
    return env


def pip_configuration() -> "dict[str, str]":
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    try:
        listed = subprocess.check_output(command, stderr=subprocess.DEVNULL).decode()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return {}  # a Python without pip of its own has no such settings
    told = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        told[key.rpartition(".")[2]] = " ".join(value.strip().strip("'\"").split())
    return told


def run(doing: str, command: "list[str]", env: "dict[str, str]") -> None:
    """One step, with its clock on a terminal; what the command says is passed on."""
    say(f"{doing} ...")
    started = time.time()
    try:
        process = subprocess.Popen(  # noqa: S603
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise Trouble(f"{command[0]} could not be run: {error}") from error
    over = threading.Event()
    clock = threading.Thread(target=show_clock, args=(started, over))
    clock.start()
    lines = []
    try:
        for line in process.stdout or ():
            lines.append(line.decode("utf-8", "replace").rstrip())
            if not lines[-1].lstrip().startswith(CHATTER):
                say("  " + lines[-1].strip())
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
        over.set()
        clock.join()
    if code != 0:
        if any(mark in line for mark in FULL for line in lines):
            raise full()
        say("\n".join(lines[-20:]))
        raise Trouble(f"the install stopped at: {doing} (exit {code}); the next `make` starts it over")


def show_clock(started: float, over: threading.Event) -> None:
    while not over.wait(1):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r  {time.time() - started:.0f} s\r")
            sys.stderr.flush()


def full() -> Trouble:
    left = shutil.disk_usage(ROOT).free // 2**20
    return Trouble(f"the disk is full ({left} MB left at {ROOT}): make room, then start again")


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        say(f"cauce: {trouble}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("cauce: the install was interrupted; the next `make` starts it over")
        sys.exit(130)
    except OSError as error:
        if error.errno not in (28, 122):
            raise
        say(f"cauce: {full()}")
        sys.exit(1)
