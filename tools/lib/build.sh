# Configuring and building with meson, one build directory a flavour. Sourced after say.sh.

# configure DIRECTORY OPTIONS...: sets the directory up, again when its options have changed.
configure() {
  local directory=$1 stamp wanted
  shift
  stamp=$directory/options.stamp
  wanted="$CXX $*"
  if [[ -e $directory/build.ninja && -e $stamp && $(<"$stamp") == "$wanted" ]]; then
    return 0
  fi
  rm -rf "$directory"
  step "configuring ${directory#"$root"/}" meson setup "$directory" "$root" "$@" || return 1
  printf '%s\n' "$wanted" >"$stamp"
}

# compile DIRECTORY TARGETS...: all targets without any. Quiet unless something fails or a person
# watches.
compile() {
  local directory=$1 quiet=--quiet
  shift
  say "== building ${directory#"$root"/}"
  [[ ! -t 2 ]] || quiet=
  ninja ${quiet:+"$quiet"} -C "$directory" -k 0 "$@" >&2
}

# The paths, inside the build directory, of the programs that this tree defines so far.
programs_of() {
  ninja -C "$1" -t targets all |
    sed -nE 's,^(([^:]*/)?(ringpostd|ringpost|ringpost-bench|ringpost-sim)): cpp_LINKER.*,\1,p'
}

# The programs under the names that docs and scripts use, whichever subdirectory builds them.
link_programs() {
  local directory=$1 path
  for path in $(programs_of "$directory"); do
    [[ ! -f $directory/$path ]] || ln -sfn "$path" "$directory/${path##*/}"
  done
}

# use_compiler C C++: through ccache where that is installed, which meson does not do by itself
# for compilers that are named.
use_compiler() {
  local cache=
  [[ -z $(command -v ccache) ]] || cache='ccache '
  export CC=$cache$1 CXX=$cache$2
}

# flavour NAME: sets build_directory and build_options, and the compiler, for one of our builds.
flavour() {
  local -a sanitize=(-Dbuildtype=debugoptimized -Doptimization=1 -Db_lundef=false)
  build_directory=$root/build-$1
  use_compiler gcc g++
  case $1 in
    release)
      build_directory=$root/build
      build_options=(-Dbuildtype=release)
      ;;
    debug) build_options=(-Dbuildtype=debug) ;;
    test) build_options=(-Dbuildtype=debugoptimized -Dcpp_args=-D_GLIBCXX_ASSERTIONS) ;;
    clang)
      use_compiler clang-19 clang++-19
      build_options=(-Dbuildtype=release)
      ;;
    asan)
      use_compiler clang-19 clang++-19
      build_options=("${sanitize[@]}" -Db_sanitize=address,undefined -Dfuzz=true)
      ;;
    tsan)
      use_compiler clang-19 clang++-19
      build_options=("${sanitize[@]}" -Db_sanitize=thread)
      ;;
    *) die "unknown flavour: $1" ;;
  esac
}
