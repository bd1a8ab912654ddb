"""The hub's service "My servers": an API and a page for one's servers, their logs and their disks."""
