"""One import that takes longer than all others together, and that nothing here needs."""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["IRI_GRAMMAR", "leave_out_iri_grammar"]

IRI_GRAMMAR: Final = "rfc3987_syntax"
"""What jsonschema checks the formats `iri` and `iri-reference` with; importing it compiles 39 grammars, for seconds.

JupyterHub brings it: it imports jupyter_events, which needs `jsonschema[format-nongpl]`. No schema of JupyterHub's
events, and none of jhkube's, has such a format, and jsonschema does without it where it is not installed.
"""


def leave_out_iri_grammar() -> None:
    """Let an import of it fail from now on, as if it was not installed. For a process of jhkube's own."""
    sys.modules.setdefault(IRI_GRAMMAR, None)  # type: ignore[arg-type]
