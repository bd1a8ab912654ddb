"""What the prepuller has to know: the menu, and where servers run."""

c.ImageMenu.repositories = ["registry.example.org/lab"]  # yours: the same as custom.jhkube.menu.repositories
c.JHKubeSpawner.namespace = "jhub"  # yours: the same as in kustomization.yaml

# The chart lets servers run on nodes with these taints (scheduling.userPods.tolerations).
c.JHKubeSpawner.tolerations = [
    {"key": key, "operator": "Equal", "value": "user", "effect": "NoSchedule"}
    for key in ("hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated")
]

# What the prepuller has made goes with its Deployment, and gives way to servers.
c.Prepuller.deployment = "jhkube-prepuller"
c.Prepuller.priority_class_name = "jhkube-prepull"
