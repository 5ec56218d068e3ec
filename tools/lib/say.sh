# What the scripts in tools/ say and how they stop. Sourced by them, never run.
# Standard output carries results; progress and complaints go to standard error.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
exec </dev/null # nothing here asks questions, and a closed stdin must not confuse a child

say() { printf '%s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# usage TEXT: for wrong options, with the exit code that all our programs use for it.
usage() {
  printf '%s\n' "$*" >&2
  exit 2
}

# A bar on a terminal, nothing where the output is kept: progress DONE TOTAL LABEL
progress() {
  [[ -t 2 ]] || return 0
  local done=$1 total=$2 label=$3 width=40 filled bar
  ((total > 0)) || total=1
  ((done <= total)) || done=$total
  filled=$((done * width / total))
  printf -v bar '%*s' "$filled" ''
  printf '\r%s [%-*s] %3d%%' "$label" "$width" "${bar// /#}" $((done * 100 / total)) >&2
  ((done < total)) || printf '\n' >&2
}

# step LABEL COMMAND...: runs it with its output in a file, and shows that only if it fails.
step() {
  local label=$1 log status=0
  shift
  log=$(mktemp)
  say "== $label"
  "$@" >"$log" 2>&1 || status=$?
  ((status == 0)) || cat "$log" >&2
  rm -f "$log"
  return $status
}

seconds_since() { printf '%d s' $((SECONDS - $1)); }
