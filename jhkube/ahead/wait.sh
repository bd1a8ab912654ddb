#!/bin/sh
# Waits in a pod with the Python that the server's program is written for: wait.sh SECONDS PORT COMMAND…
# An image without Python cannot wait. The pod ends, and the hub starts the server in the ordinary way.
set -f
seconds=$1 port=$2
shift 2
folder=${0%/*}

runs() { # whether it is a Python
  [ $# -gt 0 ] && "$@" -c 'import hmac, json, runpy, socket' 2>/dev/null
}

line=''
program=$(command -v "$1" 2>/dev/null) && [ -f "$program" ] && IFS= read -r line <"$program" 2>/dev/null
case $line in
  '#!'*python*)
    interpreter=${line#'#!'}
    # It may have an argument, so it is not quoted.
    if [ "${1##*/}" = jupyterhub-singleuser ] && runs $interpreter; then
      shift
      exec $interpreter "$folder/waiting.py" "$seconds" "$port" script "$program" "$@"
    fi
    ;;
esac
for interpreter in python3 python; do
  if runs "$interpreter"; then
    exec "$interpreter" "$folder/waiting.py" "$seconds" "$port" command "$@"
  fi
done
echo 'jhkube: this image has no Python, so nothing can wait in it.' >&2
exit 0
