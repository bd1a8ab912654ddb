"""Kubeflow's Jupyter web API, as StatCan's jupyter-apis documents it, in front of the service's routes."""
