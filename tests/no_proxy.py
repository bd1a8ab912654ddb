"""A proxy for hubs that are reached on their own port: it remembers routes and routes nothing."""

from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    """Remembers routes."""

    should_start = False

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.routes = {}

    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)

    async def get_all_routes(self):
        return self.routes
