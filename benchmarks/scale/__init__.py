"""How many people one hub carries: whole mornings on a hub, with a control plane of the benchmark's own."""
