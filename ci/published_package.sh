# The published Python package, for the scripts that run it (source it). It stands in a folder that later runs and other checkouts find again.
set -euo pipefail

# usage_unless_two ARGUMENT...: prints the head of the script and ends it, unless it was given two.
usage_unless_two() {
  [ $# -ne 2 ] || return 0
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# published_package STEP FOLDER NAME PACKAGE...: leaves in $venv a virtual environment with dfloat11 and these packages: FOLDER, or where that is
# empty, NAME in the user's cache folder.
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
