"""The prepuller: which images it keeps on the nodes. It is another process; the hub does not use these settings."""

from jhkube.settings import Settings

settings = Settings.load()

c.Prepuller.count = settings["prepuller.count"]
c.Prepuller.nodes_at_once = settings["prepuller.nodesAtOnce"]

# The Deployment of the prepuller. Kubernetes deletes its objects together with it, even if it was killed.
c.Prepuller.deployment = settings["prepuller.deployment"]

# With a PriorityClass, the pods that pull make room for labs.
c.Prepuller.priority_class_name = settings["prepuller.priorityClass"]
if settings["prepuller.pauseImage"]:
    c.Prepuller.pause_image = settings["prepuller.pauseImage"]
