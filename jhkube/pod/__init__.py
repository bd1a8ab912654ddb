"""What jhkube adds to a pod: pure builders of Kubernetes objects."""
