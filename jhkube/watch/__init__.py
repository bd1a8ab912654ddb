"""What the cluster says about a pod: the start, the probe, the reflectors, the progress, failures in words."""
