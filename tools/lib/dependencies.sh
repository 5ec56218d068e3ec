# The Debian 12 packages that the project needs, and how they are installed. Sourced after say.sh.
# The one place where packages are named.

packages_build=(
  g++ meson ninja-build pkg-config cmake # cmake: mimalloc describes itself to nothing else
  liburing-dev libssl-dev libldns-dev libmimalloc-dev libbenchmark-dev libgtest-dev libgmock-dev
  libtomlplusplus-dev libcli11-dev nlohmann-json3-dev libxxhash-dev libfmt-dev libidn2-dev
)
packages_test=(
  python3 python3-aiosmtpd openssl swaks libnet-ssleay-perl nsd clang-format-19
  libdb5.3 libgnutls-dane0 libidn12 libnsl2 libpcre2-8-0 # what Exim is linked with
)
packages_all=(clang-19 libclang-rt-19-dev llvm-19) # llvm-19: the sanitizers' symbolizer

# A second mail server on a machine would push the first one out, so this one may be refused.
packages_wanted=(postfix)

# And so would this one, the other way round: it is downloaded only, and its test unpacks it.
packages_unpacked=(exim4-daemon-light)

missing_packages() {
  local package
  local -A installed=()
  while read -r package status; do
    [[ $status != installed ]] || installed[${package%%:*}]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    [[ -n ${installed[$package]:-} ]] || printf '%s\n' "$package"
  done
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo -- "$@"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true \
    apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# Tests start nsd and Postfix themselves, on ports of their own: installing must start neither.
# The policy file is how Debian's maintainer scripts are told so; an existing one comes back.
install_without_starting() {
  local policy=/usr/sbin/policy-rc.d status=0
  local keep=$policy.before-ringpost
  local restore="if [ -e $keep ]; then mv $keep $policy; else rm -f $policy; fi"
  # An interrupted run may have left ours there.
  as_root sh -c "if [ -e $policy ] && ! grep -q ringpost $policy; then mv $policy $keep; fi
    printf '#!/bin/sh\n# ringpost: installing starts nothing\nexit 101\n' >$policy
    chmod 755 $policy"
  # shellcheck disable=SC2064
  trap "as_root sh -c '$restore'" EXIT
  apt install --no-install-recommends --no-remove "$@" || status=$?
  as_root sh -c "$restore"
  trap - EXIT
  return $status
}

install_packages() {
  local label=$1
  shift
  if [[ " $* " == *' postfix '* ]]; then # no questions, and no configuration that would start it
    as_root sh -c 'echo postfix postfix/main_mailer_type select "No configuration" |
      debconf-set-selections' || true
  fi
  step "$label $*" install_without_starting "$@"
}

# require_packages build|test|all: installs what is missing of that set and those before it.
require_packages() {
  [[ -x /usr/bin/dpkg-query && -x /usr/bin/apt-get ]] ||
    die "this script installs Debian packages; elsewhere, install the equivalents of:
  ${packages_build[*]} ${packages_test[*]} ${packages_all[*]} ${packages_wanted[*]}"
  local -a needed=("${packages_build[@]}") wanted=() missing=() missing_wanted=()
  case $1 in
    build) ;;
    test) needed+=("${packages_test[@]}") wanted+=("${packages_wanted[@]}") ;;
    all) needed+=("${packages_test[@]}" "${packages_all[@]}") wanted+=("${packages_wanted[@]}") ;;
    *) die "unknown set of packages: $1" ;;
  esac
  mapfile -t missing < <(missing_packages "${needed[@]}")
  ((${#wanted[@]} == 0)) || mapfile -t missing_wanted < <(missing_packages "${wanted[@]}")
  ((${#missing[@]} + ${#missing_wanted[@]} > 0)) || return 0
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    ((${#missing[@]} > 0)) || return 0
    die "packages are missing and there is neither root nor sudo; as root, run:
  apt-get install ${missing[*]} ${missing_wanted[*]}"
  fi
  step 'reading the package lists' apt update || die 'apt-get update failed'
  if ((${#missing[@]} > 0)); then
    install_packages installing "${missing[@]}" || die "could not install: ${missing[*]}"
  fi
  if ((${#missing_wanted[@]} > 0)); then
    install_packages installing "${missing_wanted[@]}" ||
      say "without ${missing_wanted[*]} (another mail server is here): their tests are skipped"
  fi
}

# download_packages: puts what tests unpack into .cache/packages/.
download_packages() {
  local directory=$root/.cache/packages package
  mkdir -p "$directory"
  for package in "${packages_unpacked[@]}"; do
    ! compgen -G "$directory/${package}_*.deb" >/dev/null || continue
    step "downloading $package" download_package "$directory" "$package" ||
      say "without $package (it could not be downloaded): its test is skipped"
  done
}

# The lists of packages may be too old for what the mirror still has.
download_package() {
  (cd "$1" && { apt-get -qq download "$2" || { apt update && apt-get -qq download "$2"; }; })
}
