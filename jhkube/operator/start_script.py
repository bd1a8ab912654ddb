"""The program that a notebook's container runs, and the profile of its shells: plain bash, for any Jupyter image.

Constant text: what varies comes in by the environment and by the files beside it.
"""

__all__ = ["BASH_PROFILE", "START"]

START = r"""#!/usr/bin/env bash
# Prepares the home of a notebook in its project, and starts Jupyter. Any line may run again after a restart.
set -u
umask 0002
if ! mkdir -p "$HOME"; then
  echo "The project's folder cannot be written by user $(id -u)." | tee /dev/termination-log >&2
  exit 1
fi
cd "$HOME" || exit 1

[ -e .bashrc ] || printf '%s\n' "PS1='\u@\h:\w\$ '" 'umask 0002' >.bashrc
[ -e .bash_profile ] || cp "$JHKUBE_FILES/bash_profile" .bash_profile
if command -v conda >/dev/null && ! grep -q 'conda initialize' .bashrc; then
  conda init bash >/dev/null 2>&1 || true
fi

# What an image brings for each home, and for the project's own folder: newer files only, and links as they are.
for pair in "copy-to-home:$HOME" "copy-to-startup:$HOME/.."; do
  from="/home/code/${pair%%:*}" to="${pair#*:}"
  if [ -d "$from" ] && [ -n "$(ls -A "$from")" ]; then
    cp -r -u "$from"/* "$to" || echo "Some files of $from could not be copied to $to." >&2
  fi
done

cd "$HOME/.." || exit 1
config="$JHKUBE_FILES/jupyter_notebook_config.json"
if [ -z "${JUPYTER_ENABLE_LAB:-}" ] && command -v jupyter-notebook >/dev/null; then
  exec jupyter notebook --config="$config"
fi
exec jupyter lab --config="$config"
"""

BASH_PROFILE = """\
# Written when this home was made; it is yours to change.
[ -f ~/.bashrc ] && . ~/.bashrc
"""
