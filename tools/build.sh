#!/usr/bin/env bash
# Installs what is missing and builds. Without options: the release, into build/.
. "$(dirname "$0")/lib/say.sh"
. "$root/tools/lib/dependencies.sh"
. "$root/tools/lib/build.sh"

help='usage: tools/build.sh [--debug | --clang | --sanitize[=address|thread]]
  (none)               release build in build/: ringpostd, ringpost, ringpost-bench
  --debug              unoptimised, with tests, in build-debug/
  --clang              with clang 19, with tests, in build-clang/
  --sanitize           clang 19 with ASan and UBSan, with tests, in build-asan/
  --sanitize=thread    clang 19 with TSan, with tests, in build-tsan/'

kind=release packages=build
for option in "$@"; do
  case $option in
    --debug) kind=debug ;;
    --clang) kind=clang packages=all ;;
    --sanitize | --sanitize=address) kind=asan packages=all ;;
    --sanitize=thread) kind=tsan packages=all ;;
    -h | --help)
      printf '%s\n' "$help"
      exit 0
      ;;
    *) usage "$help" ;;
  esac
done

require_packages $packages
flavour $kind
configure "$build_directory" "${build_options[@]}" || die 'the build could not be configured'
targets=()
[[ $kind != release ]] || mapfile -t targets < <(programs_of "$build_directory")
compile "$build_directory" "${targets[@]}" || die 'the build failed'
link_programs "$build_directory"
say "== built: ${build_directory#"$root"/}"
