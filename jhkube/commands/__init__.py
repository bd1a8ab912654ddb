"""What the command line does, one command a module."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells tell of SIGINT."""
