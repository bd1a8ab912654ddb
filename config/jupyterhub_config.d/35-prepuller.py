"""The prepuller, a process of its own: which images it keeps on the nodes, and how. The hub takes no notice of it."""

from jhkube.settings import Settings

settings = Settings.load()

c.Prepuller.count = settings["prepuller.count"]
c.Prepuller.nodes_at_once = settings["prepuller.nodesAtOnce"]

# As a Deployment: what the prepuller has made goes with it, even where it was killed.
c.Prepuller.deployment = settings["prepuller.deployment"]

# The pods that pull stand aside for labs, where there is a class for it.
c.Prepuller.priority_class_name = settings["prepuller.priorityClass"]
if settings["prepuller.pauseImage"]:
    c.Prepuller.pause_image = settings["prepuller.pauseImage"]
