"""From what an identity provider says about a person to who they are here; only `jhkube.auth` imports it."""
