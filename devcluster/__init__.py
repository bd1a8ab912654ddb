"""Everything outside jhkube, on one machine: Kubernetes, a registry, stand-ins, a git server."""
