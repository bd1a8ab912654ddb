"""The shell that makes and fills a home, for the plain `sh` of any image.

Constant text: what varies comes in by the environment. Two servers of one user may run these at once, and
any of them may be killed at any line; the next run goes on from there.
"""

__all__ = ["FILL", "MAKE_AS_ROOT", "MAKE_AS_USER"]

FILLING = ".jhkube-filling"
"""A folder that is in a home while the home is filled for the first time, and no longer."""

MAKE_AS_ROOT = """\
umask 022
home="The home folder${JHKUBE_CALLED:+ '$JHKUBE_CALLED'}"
enter() {
  cd -P "$name" 2>/dev/null && [ "$(pwd -P)" = "$here" ] || fail "$home is a symbolic link; ask an administrator."
}
look() { # whose a folder is, and not what a link leads to
  set -- $(ls -ldn "$1")
  case $1 in d*) owner=${3:-unknown} ;; *) owner=unknown ;; esac
}
cd "$JHKUBE_VOLUME" || fail "The folder of the homes cannot be written; ask an administrator."
here=$(pwd -P)
left=${JHKUBE_FOLDER#"$JHKUBE_VOLUME"}
left=${left#/}
name=.
# From folder to folder and by names in the present one alone: where a person may write, any folder can become a link
# to somebody else's between two commands, and what root is in stays what it is.
while [ -n "$left" ]; do
  name=./${left%%/*}
  left=${left#"${left%%/*}"}
  left=${left#/}
  [ ! -L "$name" ] || fail "$home is a symbolic link; ask an administrator."
  if [ ! -d "$name" ]; then
    # Of two servers one makes it and the other finds it, root's until somebody has given it away.
    if [ -n "$left" ]; then
      mkdir "$name" 2>/dev/null || [ -d "$name" ] ||
        fail "The folder of the homes cannot be written; ask an administrator."
    else
      mkdir -m 0700 "$name" 2>/dev/null || [ -d "$name" ] ||
        fail "$home cannot be made: a full disk, or an export that squashes root."
    fi
  fi
  here=${here%/}/${name#./}
  [ -n "$left" ] || break
  enter
done
look "$name"
if [ "$owner" = 0 ]; then
  [ "$name" = . ] || enter
  look .
fi
if [ "$owner" = 0 ]; then
  # A volume with fsGroup hands its setgid bit down, which is for the top of it only.
  chmod 0700 . && chmod g-s . && chown "$JHKUBE_UID:$JHKUBE_GID" . ||
    fail "$home cannot be given to its user: does the export squash root?"
elif [ "$owner" != "$JHKUBE_UID" ]; then
  fail "$home belongs to user $owner, not to $JHKUBE_UID; ask an administrator."
fi
"""
"""Make JHKUBE_FOLDER, somewhere on the volume at JHKUBE_VOLUME, where it is missing and give it to
JHKUBE_UID:JHKUBE_GID; look at nothing inside.

JHKUBE_CALLED is what messages call it."""

MAKE_AS_USER = """\
if [ ! -d "$JHKUBE_FOLDER" ]; then
  mkdir -p "${JHKUBE_FOLDER%/*}" || true
  mkdir -m 0700 "$JHKUBE_FOLDER" 2>/dev/null || [ -d "$JHKUBE_FOLDER" ] ||
    fail "The home folder cannot be made on its volume: a full disk, or a volume without fsGroup."
  # A volume with fsGroup hands its setgid bit down, which is for the top of it only.
  chmod g-s "$JHKUBE_FOLDER" || true
fi
"""
"""Make JHKUBE_FOLDER where it is missing, on a volume that the user's group may write."""

FILL = (
    """\
home=$JHKUBE_HOME
filling=$home/"""
    + FILLING
    + """
[ -w "$home" ] || fail "The home folder cannot be written by its user; ask an administrator."

copy() { # FROM TO WHEN: by a name of this pod's own, so that nobody sees half a file
  for source in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$source" ] || [ -L "$source" ] || continue
    target=$2/${source##*/}
    if [ -d "$source" ] && [ ! -L "$source" ]; then
      [ -d "$target" ] || mkdir "$target" 2>/dev/null || [ -d "$target" ] || continue
      (copy "$source" "$target" "$3")
      continue
    fi
    if [ -e "$target" ] || [ -L "$target" ]; then
      if [ "$3" = missing ] || [ -d "$target" ] || [ ! "$source" -nt "$target" ]; then continue; fi
    fi
    partial=$2/.jhkube-copy-$JHKUBE_POD
    { rm -f "$partial" && cp -pP "$source" "$partial" && mv -f "$partial" "$target"; } 2>/dev/null || {
      rm -f "$partial" 2>/dev/null || true
      echo "not copied: $source" >&2
    }
  done
}

is_empty() { # but for what a fresh volume has
  for entry in "$home"/* "$home"/.[!.]* "$home"/..?*; do
    case ${entry##*/} in lost+found) continue ;; esac
    if [ -e "$entry" ] || [ -L "$entry" ]; then return 1; fi
  done
}

if [ -n "$JHKUBE_SKELETON" ] && { [ -d "$filling" ] || is_empty; }; then
  # The mark stays when this is interrupted, and says to the next start that the home is not complete.
  if mkdir "$filling" 2>/dev/null || [ -d "$filling" ]; then
    copy "$JHKUBE_SKELETON" "$home" missing
    rmdir "$filling" 2>/dev/null || true
  fi
fi
if [ -n "$JHKUBE_COPY" ]; then copy "$JHKUBE_COPY" "$home" older; fi
"""
)
"""Fill JHKUBE_HOME: from JHKUBE_SKELETON while it is new, from JHKUBE_COPY always, never over a newer file.

It walks the image's two folders, never the home; a file that cannot be copied (a full disk) is no reason not
to start, since the user has to get in to delete something.
"""
