# The published Python package, for the scripts that run it (source it). It is in a folder that
# later runs and other checkouts use again.
set -euo pipefail

# usage_unless_two ARGUMENT...: unless there are two arguments, prints the script's head and ends
# it.
usage_unless_two() {
  [ $# -ne 2 ] || return 0
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# published_package STEP FOLDER NAME PACKAGE...: sets $venv to a virtual environment with dfloat11
# and these packages. The environment is in FOLDER, or if that is empty, in NAME of the user's cache
# folder.
published_package() {
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "skipped: $1 (no python3 with venv)"
    exit 0
  fi
  venv=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/df11/$3}
  shift 3
  [ ! -e "$venv/complete" ] || return 0
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --no-cache-dir "$@"
  "$venv/bin/pip" install --quiet --no-cache-dir --no-deps dfloat11==0.5.0 dahuffman==0.4.2
  touch "$venv/complete"
}
