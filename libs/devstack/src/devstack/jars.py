"""The broker's jars: resolved once from Maven Central, checked against the pinned sums, then used without network."""

import hashlib
import json
import os
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from devstack import place
from devstack.trouble import Trouble, full_disk

# The only place that says which broker. slf4j-simple is the smallest logger; kafka's own default drags a BOM along that
# makes the resolver pick a wrong kafka-clients.
KAFKA = "4.4.0"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA}+org.slf4j:slf4j-simple:1.7.36"


def pinned() -> dict[str, str]:
    """SHA-256 by jar name, as committed."""
    sums: dict[str, str] = json.loads(files("devstack").joinpath("jars.json").read_text())
    return sums


def folder() -> Path:
    """The folder with the jars, resolved first where it is missing. An interrupted resolve leaves no such folder."""
    ready = place.jars() / KAFKA
    if not ready.is_dir():
        resolve(ready)
    return ready


def resolve(ready: Path) -> None:
    ready.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ready.parent, prefix="resolving-") as work:
        part = Path(work) / "lib"
        part.mkdir()
        for jar in downloaded(Path(work)):
            shutil.copy2(jar, part / jar.name)
        check(part)
        try:
            part.rename(ready)
        except OSError:
            if not ready.is_dir():  # else another process was first, with the same sums
                raise


def downloaded(work: Path) -> list[Path]:
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=work / "maven", remote_repos={"central": MAVEN_CENTRAL_URL})
    builder = EnvironmentBuilder(context=context, cache_dir=work / "environment", link_strategy=LinkStrategy.HARD)
    try:
        environment = builder.from_endpoint(ENDPOINT, main_class="kafka.Kafka")
    except Exception as error:
        if full_disk(error):
            raise
        raise Trouble(f"the Kafka {KAFKA} jars could not be fetched from Maven Central: {error}") from error
    return [jar for part in ("jars", "modules") for jar in (Path(environment.path) / part).glob("*.jar")]


def sums_of(part: Path) -> dict[str, str]:
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(part.glob("*.jar"))}


def check(part: Path) -> None:
    """Raises Trouble unless the folder holds exactly the pinned jars."""
    found, wanted = sums_of(part), pinned()
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if wrong and not os.environ.get("CAUCE_PIN_JARS"):
        raise Trouble(f"the Kafka {KAFKA} jars differ from the pinned ones: {', '.join(wrong)}")
