"""How tests start a hub: as `jupyterhub` does, less one import that would take as long as all the others."""

import sys

from jhkube.iri_grammar import IRI_GRAMMAR

HUB = (
    sys.executable,
    "-c",
    f"import sys; sys.modules[{IRI_GRAMMAR!r}] = None; from jupyterhub.app import main; main()",
)
"""The command line; the arguments of `jupyterhub` follow."""
