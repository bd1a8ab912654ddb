"""What a NetworkPolicy's rules for addresses allow, and addresses that servers may and may not reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

BLOCKED = (
    "10.96.0.1",  # the API server's Service in many clusters
    "172.31.255.254",
    "192.168.0.1",
    "169.254.169.254",  # the metadata of most clouds
    "169.254.170.2",  # credentials of AWS' containers
    "168.63.129.16",  # Azure's platform
    "100.100.100.200",  # Alibaba's metadata
    "192.0.0.192",  # Oracle's older metadata
    "fd00:ec2::254",  # AWS' metadata
    "fd20:ce::254",  # Google's metadata
    "fe80::a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",  # 169.254.169.254 behind NAT64
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",  # and by 6to4
    "2001:0:a9fe:a9fe::1",  # and by Teredo
)
PUBLIC = ("140.82.112.3", "100.63.255.255", "168.63.129.17", "2606:50c0:8000::153", "2a00:1450:4001::200e")


def reaches(egress: Iterable[Mapping[str, Any]], address: str) -> bool:
    """Return whether rules let a pod reach an address on any port."""
    there = ip_address(address)
    blocks = [
        to["ipBlock"] for rule in egress for to in rule.get("to", ()) if "ipBlock" in to and "ports" not in rule
    ]
    return any(
        there in ip_network(block["cidr"]) and not any(there in ip_network(each) for each in block.get("except", ()))
        for block in blocks
    )
