"""What it takes to run a hub, beyond the plugins: the sample configuration's settings, its keys, the culler."""
