"""The menu's images on the nodes, before anybody asks for them."""
