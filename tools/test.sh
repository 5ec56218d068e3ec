#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. The last line is `N passed, N failed`.
. "$(dirname "$0")/lib/say.sh"
. "$root/tools/lib/dependencies.sh"
. "$root/tools/lib/build.sh"

help='usage: tools/test.sh [--all | --only=PART]
  (none)        g++, every test: units, lints, compiler, end to end
  --all         also: clang 19, ASan and UBSan, short fuzzing, TSan for what crosses threads
  --only=PART   one of these: g++, clang, asan, fuzz, tsan'

parts=(g++)
for option in "$@"; do
  case $option in
    --all) parts=(g++ clang asan fuzz tsan) ;;
    --only=g++ | --only=clang | --only=asan | --only=tsan) parts=("${option#--only=}") ;;
    --only=fuzz) parts=(asan fuzz) ;;
    -h | --help)
      printf '%s\n' "$help"
      exit 0
      ;;
    *) usage "$help" ;;
  esac
done

passed=0 failed=0 skipped=0
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

fail_part() {
  say "== FAILED: $*"
  count 0 1 0
}

# run_tests DIRECTORY MESON-OPTIONS...: runs what is built there and adds up its cases.
run_tests() {
  local directory=$1 started=$SECONDS status=0 counts
  shift
  # A report of an earlier run would stand in for a test program that crashes now.
  rm -f "$directory"/*.xml "$directory"/meson-logs/testlog*.json
  meson test -C "$directory" --no-rebuild --print-errorlogs --num-processes "$(nproc)" "$@" >&2 ||
    status=$?
  if ! counts=$(/usr/bin/python3 "$root/tools/lib/count_tests.py" "$directory"); then
    fail_part "${directory##*/}: no results to count"
    return
  fi
  # shellcheck disable=SC2086
  count $counts
  if ((status != 0)) && [[ $counts == *' 0 '* ]]; then
    fail_part "${directory##*/}: meson test ended with $status"
  fi
  say "== ${directory##*/}: passed, failed, skipped: $counts ($(seconds_since "$started"))"
}

# part FLAVOUR MESON-OPTIONS...
part() {
  local started=$SECONDS
  flavour "$1"
  shift
  configure "$build_directory" "${build_options[@]}" || {
    fail_part "${build_directory##*/}: not configured"
    return
  }
  compile "$build_directory" || {
    fail_part "${build_directory##*/}: does not build"
    return
  }
  link_programs "$build_directory"
  say "== ${build_directory##*/}: built ($(seconds_since "$started"))"
  run_tests "$build_directory" "$@"
}

# Only the programs of the tests that start threads: the others have nothing for TSan to see.
part_threads() {
  local -a targets=()
  flavour tsan
  configure "$build_directory" "${build_options[@]}" || {
    fail_part 'build-tsan: not configured'
    return
  }
  mapfile -t targets < <(
    /usr/bin/python3 "$root/tools/lib/suite_targets.py" "$build_directory" threads
  )
  ((${#targets[@]} > 0)) || return 0
  compile "$build_directory" "${targets[@]}" || {
    fail_part 'build-tsan: does not build'
    return
  }
  run_tests "$build_directory" --suite threads --timeout-multiplier 5
}

# Each fuzz target for some seconds, in the build with ASan, beginning with the seeds that there are:
# inputs that once broke it, and what a script makes of the documents.
part_fuzz() {
  local target log name corpus
  local -a options
  for target in "$root"/build-asan/tests/fuzz/fuzz-*; do
    [[ -f $target && -x $target ]] || continue
    log=$(mktemp)
    corpus=$(mktemp -d)
    name=${target##*/fuzz-}
    options=(-max_total_time=10 -timeout=10 -rss_limit_mb=2048)
    options+=(-verbosity=0 -print_final_stats=1)
    if [[ -f $root/tests/fuzz/${name//-/_}.dict ]]; then
      options+=("-dict=$root/tests/fuzz/${name//-/_}.dict")
    fi
    if [[ -d $root/tests/fuzz/seeds/$name ]]; then
      cp "$root/tests/fuzz/seeds/$name/"* "$corpus"
    fi
    if [[ -f $root/tests/fuzz/${name//-/_}_seeds.py ]]; then
      /usr/bin/python3 -B "$root/tests/fuzz/${name//-/_}_seeds.py" "$corpus" ||
        fail_part "${target##*/}: its seeds could not be made"
    fi
    say "== fuzzing: $name"
    # In the build directory: a crashing input is kept there.
    if (cd "$root/build-asan" && "$target" "${options[@]}" "$corpus") >"$log" 2>&1; then
      grep -h number_of_executed_units "$log" >&2 || true
      count 1 0 0
    else
      tail -n 60 "$log" >&2
      fail_part "${target##*/}"
    fi
    rm -rf "$log" "$corpus"
  done
}

if [[ ${parts[*]} == g++ ]]; then
  require_packages test
else
  require_packages all
fi
download_packages
export ASAN_OPTIONS=detect_stack_use_after_return=1 TSAN_OPTIONS=halt_on_error=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

for name in "${parts[@]}"; do
  case $name in
    g++) part test ;;
    clang) part clang --no-suite lint --no-suite e2e ;;
    asan) part asan --no-suite lint --timeout-multiplier 4 ;;
    fuzz) part_fuzz ;;
    tsan) part_threads ;;
  esac
done

say "== $(seconds_since 0) in all"
line="$passed passed, $failed failed"
((skipped == 0)) || line+=", $skipped skipped"
printf '%s\n' "$line"
((failed == 0 && passed > 0))
