"""Servers by custom resource: an operator for `JupyterNotebook` of the Squonk2 Data Manager."""
