"""The guide to images by group: its configuration and its commands, on a registry."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.pages import DOCS, blocks_of

GUIDE = DOCS / "howto" / "group-images.md"

TAGS = {
    "lab": ["recommended", "r28_0_0", "w_2026_46", "d_2026_11_20", "exp_w_2026_46_solver", "exp_w_2026_46_nosudo"],
    "imaging": ["r3_0_0", "w_2026_46"],
}


async def test_the_guide_to_images_by_group_prints_a_menu(open_registry, tmp_path):
    for repository, tags in TAGS.items():
        open_registry.seed(f"guide/{repository}", tags)
    (configuration,) = blocks_of(GUIDE, "python")
    code = configuration.code.replace("registry.example.org/", f"{open_registry.host}/guide/")
    insecure = f"c.ImageMenu.insecure_registries = [{open_registry.host!r}]\nc.ImageMenu.cache_file = ''\n"
    (tmp_path / "jupyterhub_config.py").write_text(code + insecure)

    (console,) = blocks_of(GUIDE, "console")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shown = [
        await asyncio.to_thread(subprocess.run, command.split(), cwd=tmp_path, env=environ, capture_output=True)
        for command, _ in console.commands
    ]
    assert [done.returncode for done in shown] == [0, 0, 0], shown
    everybody, imaging, developers = (done.stdout.decode() for done in shown)
    assert "lab:w_2026_46" in everybody
    assert "imaging:w_2026_46" not in everybody
    assert "imaging:w_2026_46" in imaging
    assert "lab:exp_w_2026_46_solver" in developers
    assert "nosudo" not in developers
