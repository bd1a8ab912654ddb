"""Renku's notebooks API, in front of the service's routes."""
