"""Begin the service: `python -m jhkube.service`."""

from jhkube.service.app import main

main()
