"""What the cluster says about a pod."""
