#!/bin/bash
# As the start scripts of other projects' images do: a server for a hub, or one that stands alone.
set -e
cd "$HOME"
if [ $# -gt 0 ]; then
  exec "$@"
elif [ -n "${JUPYTERHUB_API_TOKEN:-}" ]; then
  exec jupyterhub-singleuser
else
  exec jupyter lab --ip=0.0.0.0
fi
