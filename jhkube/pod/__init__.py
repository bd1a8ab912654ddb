"""What jhkube adds to a pod: builders of Kubernetes objects."""
