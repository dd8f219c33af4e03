"""The broker's jars: resolved once from Maven Central, checked against the pinned sums, then used without network.

python -m devstack.jars            fetches them where they are missing
python -m devstack.jars --pin      fetches anew and pins what came; for a change of KAFKA
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from devstack import place
from devstack.child import Child
from devstack.trouble import Trouble, full_disk

# The only place that says which broker. slf4j-simple is the smallest logger that works: the usual one drags a BOM
# along, by which the resolver picks a wrong kafka-clients.
KAFKA = "4.4.0"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA}+org.slf4j:slf4j-simple:1.7.36"
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PINNED = Path(__file__).with_name("jars.json")


def pinned() -> dict[str, str]:
    """SHA-256 by jar name, as committed."""
    sums: dict[str, str] = json.loads(PINNED.read_text())
    return sums


def ready() -> Path:
    """Where the checked jars are, or will be."""
    return place.jars() / KAFKA


def folder() -> Path:
    """The folder with the jars, fetched first where it is missing."""
    if not ready().is_dir():
        fetch()
    return ready()


def fetching(log: Path, pidfile: Path | None = None) -> Child:
    """The fetch as a child, which a stop can end."""
    return Child("kafka-jars", [sys.executable, "-m", "devstack.jars"], log=log, pidfile=pidfile)


def fetch() -> None:
    """Resolves beside, checks, and renames: an interrupted fetch leaves nothing that looks whole. One at a time."""
    parent = place.jars()
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / "fetching.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready().is_dir():
            return
        work = parent / "fetching"
        shutil.rmtree(work, ignore_errors=True)
        part = resolved(work)
        check(part)
        part.rename(ready())
        shutil.rmtree(work)


def resolved(work: Path) -> Path:
    """All jars in one folder below `work`."""
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    trust_what_the_machine_trusts()
    context = MavenContext(repo_cache=work / "maven", remote_repos={"central": MAVEN_CENTRAL_URL})
    builder = EnvironmentBuilder(context=context, cache_dir=work / "environment", link_strategy=LinkStrategy.HARD)
    try:
        environment = builder.from_endpoint(ENDPOINT, main_class="kafka.Kafka")
    except Exception as error:
        if full_disk(error):
            raise
        raise Trouble(f"the Kafka {KAFKA} jars could not be fetched from Maven Central: {error}") from error
    part = work / "lib"
    part.mkdir()
    for kind in ("jars", "modules"):
        for jar in (Path(environment.path) / kind).glob("*.jar"):
            shutil.copy2(jar, part / jar.name)
    return part


def trust_what_the_machine_trusts() -> None:
    """The resolver knows a list of certificates of its own, which lacks a company's; the machine's has it."""
    known = (os.environ.get("SSL_CERT_FILE", ""), *CERTIFICATES)
    found = next((file for file in known if os.path.isfile(file)), None)
    if found is not None:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", found)


def sums_of(part: Path) -> dict[str, str]:
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(part.glob("*.jar"))}


def check(part: Path) -> None:
    """Raises Trouble unless the folder holds exactly the pinned jars."""
    found, wanted = sums_of(part), pinned()
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if wrong:
        raise Trouble(f"the Kafka {KAFKA} jars differ from the pinned ones: {', '.join(wrong)}")


def pin() -> None:
    work = place.jars() / "pinning"
    shutil.rmtree(work, ignore_errors=True)
    PINNED.write_text(json.dumps(sums_of(resolved(work)), indent=1, sort_keys=True) + "\n")
    shutil.rmtree(work)


if __name__ == "__main__":
    try:
        pin() if sys.argv[1:] == ["--pin"] else fetch()
    except Trouble as trouble:
        sys.exit(str(trouble))
