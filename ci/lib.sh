# Shared by the scripts of this folder (source it). Sets the working directory to the repository's
# root. Gives timed steps that stop at the first failure and name it, skips that are said aloud, and
# Debian packages on demand.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_PROGRESS_WHEN=never

SKIPPED=77 # the exit status that test runners agree on
current_step=${0##*/}
skipped=() # steps left without running
scratch=
at_exit() {
  local status=$?
  [ -z "$scratch" ] || rm -rf "$scratch"
  [ "$status" = 0 ] || [ "$status" = "$SKIPPED" ] || printf '\nFAILED in step: %s (exit %s)\n' "$current_step" "$status"
}
trap at_exit EXIT

# scratch_folder: sets $scratch to a new folder outside the checkout, removed when the script ends.
scratch_folder() {
  scratch=$(mktemp -d)
  # a step's subshell does not inherit the trap above
  [ "$BASHPID" = $$ ] || trap 'rm -rf "$scratch"' EXIT
}

# step NAME COMMAND...: prints a heading, runs the command in a subshell (so that `skip` leaves only
# the step), and prints the time.
step() {
  current_step=$1
  shift
  printf '\n=== %s\n' "$current_step"
  local began=$SECONDS status
  set +e # to read the status; the subshell itself stops at the first failure
  (set -e && "$@")
  status=$?
  set -e
  case $status in
    0) ;;
    "$SKIPPED") skipped+=("$current_step") ;;
    *) exit "$status" ;;
  esac
  printf -- '--- %s: %s s\n' "$current_step" "$((SECONDS - began))"
}

# skip WHY: leaves the step without running it. CI has or can install all it needs, so a skip fails
# there.
skip() {
  printf 'skipped: %s (%s)\n' "$current_step" "$1"
  [ "${CI:-}" != true ] || exit 1
  exit "$SKIPPED"
}

# exit_with_skips: ends a script that is a step of another one, and tells that one about skips.
exit_with_skips() {
  [ ${#skipped[@]} = 0 ] || exit "$SKIPPED"
  exit 0
}

# packages NAME...: installs the missing Debian packages. Skips the step if this user cannot.
packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "needs root and apt-get to install ${missing[*]}"
  local get=(apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq)
  "${get[@]}" update
  DEBIAN_FRONTEND=noninteractive "${get[@]}" install -y --no-install-recommends "${missing[@]}" >target/apt.log 2>&1 ||
    { cat target/apt.log; return 1; }
}

# cross_compiler: Debian's compiler comes with the source of its standard library, so the usual
# cargo can build for targets whose compiled library is not installed. It has its own target folder,
# because the two compilers share nothing.
cross_compiler() {
  packages rustc-web rust-web-src
  export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/cross
}

# test_on TARGET LINKER RUNNER ARGUMENT...: runs `cargo test ARGUMENT...`, built for TARGET and run
# by RUNNER (may be empty).
test_on() {
  local target=$1 linker=$2 runner=$3 variable
  shift 3
  cross_compiler
  variable=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")
  export "${variable}_LINKER=$linker"
  [ -z "$runner" ] || export "${variable}_RUNNER=$runner"
  cargo test --locked --lib --tests --target "$target" -Zbuild-std=std,panic_abort,panic_unwind,test "$@"
}

# test_on_s390x and test_on_aarch64 ARGUMENT...: big-endian, and NEON, under emulation.
test_on_s390x() {
  packages qemu-user gcc-s390x-linux-gnu libc6-dev-s390x-cross
  test_on s390x-unknown-linux-gnu s390x-linux-gnu-gcc "qemu-s390x -L /usr/s390x-linux-gnu" "$@"
}
test_on_aarch64() {
  packages qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  test_on aarch64-unknown-linux-gnu aarch64-linux-gnu-gcc "qemu-aarch64 -L /usr/aarch64-linux-gnu" "$@"
}

# virtual_env NAME PACKAGE...: sets $python to an interpreter, in target/NAME, that has these
# packages of PyPI.
virtual_env() {
  python=target/$1/bin/python
  shift
  [ -x "$python" ] || python3 -m venv "${python%/bin/python}"
  "$python" -m pip install --quiet --disable-pip-version-check "$@"
}

mkdir -p target
