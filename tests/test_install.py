"""`make` installs into the project's own environment, whatever the user's shell points at.

Real make, real virtual environments, pip and uv; the lock names one small wheel that is made here, and a
second wheel stands in for uv (it calls the real one), so nothing is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
STAMP = ".venv/.installed-dev"


def write_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> str:
    """A pure wheel with these files.

    Returns:
        Its line in a lock.
    """
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record.append(f"{path},sha256={digest},{len(text.encode())}")
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def listing(folder: Path) -> list[str]:
    """Every path below the folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def real_uv() -> str:
    """uv as `make` installed it beside the interpreter of the tests."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found is not None, "uv is missing from the environment of the tests"
    return found


class Checkout:
    """A folder with the project's Makefile, a lock of one package, and a user's environment beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.decoy = folder / "decoy"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        (self.folder / "cli").mkdir(parents=True)
        shutil.copy(REPOSITORY / "Makefile", self.folder)
        shutil.copy(REPOSITORY / "cli" / "installed.py", self.folder / "cli")
        line = write_wheel(self.wheels, "rotation_sample", "1.0", {"rotation_sample.py": "ANSWER = 1\n"})
        elsewhere = "absent-here==3.0 ; sys_platform == 'no-such-platform' \\\n    --hash=sha256:00\n"
        (self.folder / "requirements.lock").write_text(line)
        (self.folder / "requirements-dev.lock").write_text(line + elsewhere)
        script = f'#!/bin/sh\nexec {real_uv()} "$@"\n'
        write_wheel(self.wheels, "uv", "0.9.0", {"uv-0.9.0.data/scripts/uv": script})
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.decoy], check=True)

    def make(self, target: str = STAMP, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make as a user with these variables set would."""
        keep = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL") if name in os.environ}
        return subprocess.run(
            ["make", target, f"PYTHON={sys.executable}"],
            cwd=self.folder,
            env={
                **keep,
                "PATH": os.environ["PATH"],
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.wheels),
                "UV_OFFLINE": "1",
                "UV_FIND_LINKS": str(self.wheels),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def holds_the_package(self) -> bool:
        """Can the project's own interpreter import the locked package?"""
        code = "import rotation_sample, sys; sys.exit(rotation_sample.ANSWER != 1)"
        return not subprocess.run(
            [self.folder / ".venv" / "bin" / "python", "-I", "-c", code], capture_output=True, check=False
        ).returncode

    def forget_the_package(self) -> None:
        """Back to an environment that holds uv alone."""
        for path in (self.folder / ".venv" / "lib").rglob("rotation_sample*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for stamp in (self.folder / ".venv").glob(".installed*"):
            stamp.unlink()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose first install ran under everything that was ever seen to mislead one."""
    made = Checkout(tmp_path_factory.mktemp("install"))
    before = listing(made.decoy)
    result = made.make(
        VIRTUAL_ENV=str(made.decoy),
        CONDA_PREFIX=str(made.decoy),
        UV_PYTHON=str(made.decoy / "bin" / "python"),
        UV_SYSTEM_PYTHON="1",
        UV_PROJECT_ENVIRONMENT=str(made.decoy),
        PIP_USER="1",
        PIP_TARGET=str(made.decoy / "target"),
        PIP_PREFIX=str(made.decoy),
        PIP_PYTHON=str(made.decoy / "bin" / "python"),
        PYTHONHOME=str(made.decoy),
        PYTHONPATH=str(made.wheels / "uv-0.9.0-py3-none-any.whl"),
        PYTHONUSERBASE=str(made.decoy / "user"),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert listing(made.decoy) == before
    return made


def test_a_first_install_under_every_misleading_variable_lands_in_the_project(checkout: Checkout) -> None:
    assert checkout.holds_the_package()
    assert (checkout.folder / ".venv" / "bin" / "uv").exists()
    assert (checkout.folder / STAMP).exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VIRTUAL_ENV", "{decoy}"),
        ("CONDA_PREFIX", "{decoy}"),
        ("UV_PYTHON", "{decoy}/bin/python"),
        ("UV_SYSTEM_PYTHON", "1"),
        ("UV_PROJECT_ENVIRONMENT", "{decoy}"),
        ("UV_WORKING_DIR", "{decoy}"),
        ("PIP_USER", "1"),
        ("PIP_TARGET", "{decoy}/target"),
        ("PYTHONHOME", "{decoy}"),
        ("PYTHONUSERBASE", "{decoy}/user"),
    ],
)
def test_nothing_goes_into_the_user_s_environment(checkout: Checkout, name: str, value: str) -> None:
    checkout.forget_the_package()
    assert not checkout.holds_the_package()
    before = listing(checkout.decoy)
    result = checkout.make(**{name: value.format(decoy=checkout.decoy)})
    assert result.returncode == 0, result.stdout + result.stderr
    assert listing(checkout.decoy) == before
    assert checkout.holds_the_package()
    assert (checkout.folder / STAMP).exists()


def test_no_stamp_when_a_configuration_file_sends_the_packages_elsewhere(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.forget_the_package()
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "uv.toml").write_text(f'[pip]\ntarget = "{elsewhere}"\n')
    result = checkout.make(UV_CONFIG_FILE=str(tmp_path / "uv.toml"))
    assert result.returncode != 0
    assert listing(elsewhere), "the installer was not misled, so this test shows nothing"
    assert "requirements.lock is not installed in" in result.stderr
    assert "rotation_sample is missing" in result.stderr
    assert not (checkout.folder / ".venv" / ".installed").exists()
    healed = checkout.make()
    assert healed.returncode == 0, healed.stderr
    assert checkout.holds_the_package()


def test_no_stamp_when_another_version_is_installed(checkout: Checkout) -> None:
    checkout.forget_the_package()
    assert checkout.make().returncode == 0
    lock = checkout.folder / "requirements-dev.lock"
    text = lock.read_text()
    lock.write_text(text.replace("rotation_sample==1.0", "rotation_sample==2.0"))
    try:
        check = subprocess.run(
            [".venv/bin/python", "-I", "cli/installed.py", lock.name],
            cwd=checkout.folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        lock.write_text(text)
    assert check.returncode == 1
    assert "rotation_sample is 1.0, not 2.0" in check.stderr


def test_every_install_names_its_interpreter() -> None:
    installs = [
        line for line in (REPOSITORY / "Makefile").read_text().splitlines() if "uv pip install" in line
    ]
    assert installs
    assert all("--python $(1)/python" in line for line in installs)


@pytest.mark.parametrize(
    ("variables", "used"),
    [
        ({"PIP_INDEX_URL": "http://mirror.test/a"}, "http://mirror.test/a"),
        (
            {"PIP_INDEX_URL": "http://mirror.test/a", "UV_DEFAULT_INDEX": "http://mirror.test/b"},
            "http://mirror.test/b",
        ),
        ({}, ""),
    ],
)
def test_a_mirror_that_is_set_for_pip_serves_uv(variables: dict[str, str], used: str) -> None:
    result = subprocess.run(
        ["make", "--eval", "show: ; @echo $$UV_DEFAULT_INDEX", "show"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == used
