"""Loads the files of jupyterhub_config.d in order; start the hub with `jupyterhub -f` and this file."""

from pathlib import Path

for part in sorted((Path(__file__).parent / "jupyterhub_config.d").glob("*.py")):
    load_subconfig(str(part))
