"""The demo's people at the CILogon stand-in: one for each shape in which claims arrive, or do not."""

from __future__ import annotations

from typing import Any

__all__ = ["DEMO_CALLBACKS", "DEMO_CLIENT_ID", "DEMO_CLIENT_SECRET", "DEMO_PEOPLE", "LABORATORY", "UNIVERSITY"]

DEMO_CLIENT_ID = "cilogon:/client_id/demo"
DEMO_CLIENT_SECRET = "of-the-demo-and-no-secret-at-all"  # noqa: S105
DEMO_CALLBACKS = (
    "http://127.0.0.1:8000/hub/oauth_callback",
    "http://localhost:8000/hub/oauth_callback",
)

LABORATORY = "https://idp.laboratory.example/idp/shibboleth"
"""The identity provider that tells uid, gid and groups."""

UNIVERSITY = "urn:mace:incommon:university.example"
"""An identity provider that tells little."""

DEMO_PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {
        "sub": "http://cilogon.example/serverA/users/6180339",
        "idp": LABORATORY,
        "idp_name": "Demo Laboratory",
        "name": "Ada Example",
        "given_name": "Ada",
        "family_name": "Example",
        "email": "ada@laboratory.example",
        "eppn": "ada@laboratory.example",
        "uid": "ada",
        "uidNumber": "48231",
        "gidNumber": "48231",
        "acr": "https://refeds.org/profile/mfa",
        "affiliation": "staff@laboratory.example;member@laboratory.example",
        "isMemberOf": ["observatory", "observatory:imaging", "telescope-ops"],
    },
    "grace": {
        "sub": "http://cilogon.example/serverA/users/2718281",
        "idp": LABORATORY,
        "idp_name": "Demo Laboratory",
        "name": "Grace Example",
        "email": "grace@laboratory.example",
        "eppn": "grace@laboratory.example",
        "uid": "grace",
        "uidNumber": 48232,
        "isMemberOf": "observatory",
    },
    "edsger": {
        "sub": "http://cilogon.example/serverE/users/3141592",
        "idp": UNIVERSITY,
        "idp_name": "Demo University",
        "email": "edsger@university.example",
        "eppn": "edsger@university.example",
        "isMemberOf": "observatory;telescope-ops",
    },
    "maryam": {
        "sub": "http://cilogon.example/serverE/users/1414213",
        "idp": UNIVERSITY,
        "idp_name": "Demo University",
        "name": "مریم نمونه",
        "email": "maryam@university.example",
        "isMemberOf": [{"name": "observatory", "id": 70001}, {"name": "telescope-ops", "id": 70002}],
    },
    "rosalind": {
        "sub": "http://cilogon.example/serverE/users/5772156",
        "idp": UNIVERSITY,
        "idp_name": "Demo University",
        "name": "Rosalind Example",
        "email": "rosalind@university.example",
        "eppn": "rosalind@university.example",
    },
}
"""Claims by the login that chooses them: groups as a list, a string, joined by `;`, as objects, and none."""
