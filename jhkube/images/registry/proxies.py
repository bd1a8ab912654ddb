"""Which proxy the environment names for an address: read as kubelet and containerd read it."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from urllib.request import getproxies

from yarl import URL

__all__ = ["goes_directly", "proxy_for"]

_ADDRESS_WITH_PORT = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^:]+):(?P<port>\d+)")


def proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names; aiohttp's own way would read ~/.netrc too."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme)
    if not proxy or url.host is None or goes_directly(url, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def goes_directly(url: URL, no_proxy: str) -> bool:
    """Return whether NO_PROXY, or being this machine, exempts an address from the proxy.

    The forms are those of Go's `httpproxy` package, which kubelet and containerd use: a name and all below it,
    `.name` or `*.name`, an address, a range of addresses, each of the names and addresses with or without a
    port, and `*`. Unlike there, `.example.org` also means `example.org`, as it does for curl and Python.

    Examples
    --------
    >>> goes_directly(URL("https://10.3.4.5:5000"), "10.0.0.0/8,registry.example.org:5000")
    True
    """
    host = (url.host or "").lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in re.split(r"[,\s]+", no_proxy.lower()):
        if entry == "*":
            return True
        place = entry
        if parts := _ADDRESS_WITH_PORT.fullmatch(entry):
            if int(parts["port"]) != url.port:
                continue
            place = parts["host"]
        place = place.strip("[]").rstrip(".")
        if not place:
            continue
        if address is None:
            if host == place.removeprefix(".") or host.endswith("." + place.removeprefix("*").removeprefix(".")):
                return True
        else:
            try:
                if address in ip_network(place, strict=False):
                    return True
            except ValueError:
                continue
    return False
