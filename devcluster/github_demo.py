"""The demo's own small world at the GitHub stand-in: people, organizations, repositories."""

from __future__ import annotations

from typing import Any

__all__ = ["DEMO_CALLBACKS", "DEMO_CLIENT_ID", "DEMO_CLIENT_SECRET", "DEMO_WORLD"]

DEMO_CLIENT_ID = "Ov23demoJupyterHub00"
DEMO_CLIENT_SECRET = "of-the-demo-and-no-secret-at-all"  # noqa: S105
DEMO_CALLBACKS = (
    "http://127.0.0.1:8000/hub/oauth_callback",
    "http://localhost:8000/hub/oauth_callback",
)
"""Where the demo's hub may send people back to; on loopback the port may be another."""

DEMO_WORLD: dict[str, Any] = {
    "people": [
        {
            "login": "ada",
            "id": 6180339,
            "name": "Ada Example",
            "email": "ada@observatory.example",
            "bio": "Runs the observatory",
        },
        {
            "login": "grace",
            "id": 2718281,
            "name": "Grace Example",
            "emails": [
                {"email": "grace@observatory.example", "primary": True, "visibility": "private"},
                {"email": "grace@old.example", "verified": False},
            ],
            "bio": "Keeps her address to herself",
        },
        {"login": "edsger", "id": 3141592, "bio": "Has no display name"},
        {"login": "maryam", "id": 141421356, "name": "مریم نمونه", "bio": "Writes from right to left"},
        {"login": "hypatia", "id": 173205080, "name": "Υπατία Παράδειγμα", "bio": "New here"},
        {
            "login": "rosalind",
            "id": 57721566,
            "name": "Rosalind Example",
            "bio": "Came to look, from outside",
        },
    ],
    "organizations": [
        {
            "login": "observatory",
            "id": 8314462,
            "name": "Demo Observatory",
            "members": [
                {"login": "ada", "role": "admin", "public": True},
                {"login": "grace"},
                {"login": "edsger"},
                {"login": "hypatia"},
            ],
            "teams": [
                {"slug": "imaging", "name": "Imaging", "id": 1602176, "members": ["ada", "grace"]},
                {"slug": "calibration", "name": "Calibration", "id": 6626070, "members": ["ada", "hypatia"]},
            ],
        },
        {
            "login": "telescope-ops",
            "id": 6674301,
            "name": "Telescope Operations",
            "members": [
                {"login": "ada"},
                {"login": "maryam", "role": "admin"},
                {"login": "grace", "public": True},
            ],
            "teams": [{"slug": "night-shift", "name": "Night shift", "id": 2997924, "members": ["maryam", "grace"]}],
        },
        {
            "login": "stargazers",
            "id": 5670374,
            "name": "Amateur Stargazers",
            "members": [
                {"login": "rosalind", "role": "admin", "public": True},
                {"login": "grace", "public": True},
            ],
        },
    ],
    "repositories": [
        {"owner": "observatory", "name": "notes", "private": True, "description": "Notes of the nights"},
        {"owner": "observatory", "name": "handbook", "private": False, "description": "How things are done"},
        {"owner": "telescope-ops", "name": "runbook", "private": True},
        {"owner": "ada", "name": "scratch", "private": True},
    ],
}
"""The world as a people file would have it; `rosalind` is in no organization that the demo's hub lets in."""
