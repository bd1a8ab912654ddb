"""The name by which configuration files start the culler: `python -m jhkube.culler`."""

from jhkube.deployment.culler import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
