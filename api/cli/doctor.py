"""What ``assay doctor`` checks: everything that can be wrong with an installation, and what to do about it.

torch and FAISS are tried in a process of their own: a broken binary wheel aborts the process that imports it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from api.version import DISTRIBUTION

OWN_PACKAGES = ("audit", "storage", "workers", "api")
OLDEST_PYTHON = (3, 11)
LOW_DISK_BYTES = 2 * 2**30
PROBE_SECONDS = 60

State = Literal["ok", "warning", "broken"]

_PROBE = """
import json, {module}
print(json.dumps({{"version": {module}.__version__, "note": {note}}}))
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    state : "ok", "warning" or "broken"
    detail : str
        What was seen.
    action : str
        What to do, when it is not ok.
    """

    name: str
    state: State
    detail: str
    action: str = ""


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    """The interpreter is new enough."""
    seen = ".".join(str(part) for part in version)
    if version[:2] < OLDEST_PYTHON:
        return Check("python", "broken", seen, "Install Python 3.11 or newer and make the environment again.")
    return Check("python", "ok", f"{seen} at {sys.executable}")


def required_packages() -> tuple[str, ...]:
    """Names of the distributions that this one declares, without its extras."""
    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return ()
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in declared if "extra ==" not in line)
    return tuple(sorted(match.group() for match in names if match))


def check_packages(names: Sequence[str]) -> Iterator[Check]:
    """Each required distribution is installed."""
    if not names:
        yield Check(
            "packages",
            "warning",
            f"{DISTRIBUTION} is not installed as a distribution",
            "Install it with pip (pip install -e . in a checkout), so that its requirements are known.",
        )
    for name in names:
        try:
            yield Check(f"package {name}", "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check(f"package {name}", "broken", "not installed", f"pip install {name}")


def check_import(module: str, note: str = "''") -> Check:
    """A compiled package can be imported; ``note`` is a Python expression over it to report."""
    code = _PROBE.format(module=module, note=note)
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Check(module, "broken", f"importing it took over {PROBE_SECONDS} s", f"Reinstall {module}.")
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"])[-1]
        return Check(module, "broken", said, f"Reinstall {module}; it must match this Python and processor.")
    seen = json.loads(done.stdout.splitlines()[-1])
    return Check(module, "ok", " ".join(part for part in (seen["version"], seen["note"]) if part))


def check_torch() -> Check:
    """PyTorch can be imported; says which device it would use."""
    return check_import("torch", "'on ' + ('cuda' if torch.cuda.is_available() else 'cpu')")


def check_faiss() -> Check:
    """FAISS can be imported."""
    return check_import("faiss")


def check_home(home: Path) -> Check:
    """The home folder can be made and written to."""
    action = "Choose a writable folder with ASSAY_HOME."
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home, prefix=".doctor-") as probe:
            probe.write(b"assay")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return Check("home", "broken", f"{home}: {error.strerror or error}", action)
    return Check("home", "ok", str(home))


def check_disk(home: Path, *, low: int = LOW_DISK_BYTES) -> Check:
    """There is room where the home folder is (or will be)."""
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / 2**30:.1f} GiB free at {place}"
    if free < low:
        return Check("disk", "warning", detail, "Make room, or point ASSAY_HOME at a larger disk.")
    return Check("disk", "ok", detail)


def check_names(owners: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """No other distribution installs one of the four package names.

    Parameters
    ----------
    owners : mapping of str to list of str
        Top-level package → distributions that install it (``importlib.metadata.packages_distributions()``).
    """
    for package in OWN_PACKAGES:
        others = sorted({owner for owner in owners.get(package, ()) if owner != DISTRIBUTION})
        if others:
            yield Check(
                f"name {package}",
                "broken",
                f"also installed by {', '.join(others)}",
                "Install Assay in an environment of its own.",
            )
        else:
            yield Check(f"name {package}", "ok", "only Assay installs it")


def guarded(name: str, check: Callable[[], Check], *, action: str) -> Check:
    """Run a check that may raise anything; what it raises becomes a broken check.

    This is the boundary of the command: a doctor that dies of the illness names nothing.
    """
    try:
        return check()
    except Exception as error:
        return Check(name, "broken", f"{type(error).__name__}: {error}", action)
