"""The OCI distribution API: the only code that talks to a registry."""
