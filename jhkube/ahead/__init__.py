"""A server's pod that is made while the person reads the form, and waits there for the start."""
