#!/usr/bin/env bash
# Installs the Debian packages that Switchyard builds from. Does nothing, and needs no network, when all are there.
set -euo pipefail

usage() {
  cat <<'END'
Usage: scripts/install_deps.sh [--fuzz] [--conformance] [--lint] [--list]

Installs what is missing to build and test Switchyard on Debian 12 (root or sudo; apt only).

  --fuzz         also what ./test.sh --fuzz needs (clang)
  --conformance  also what ./test.sh --conformance needs (Python, for the clients that it tests)
  --lint         also clang-format and clang-tidy, for those who write code
  --list         print the packages and install nothing
END
}

build_packages=(
  # Tools. ccache and lld are not needed, they save time.
  g++ cmake ninja-build ccache lld pkg-config
  # For the person at the keyboard: the line that the quickstart prints.
  ca-certificates curl
  # gRPC and Protobuf.
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  # The rest of what CMake finds (cmake/SwitchyardLibraries.cmake).
  libabsl-dev libboost-dev libcli11-dev libfmt-dev libgloo-dev libpcre2-dev libspdlog-dev libssl-dev libutf8proc-dev
  libisal-dev liburing-dev libtomlplusplus-dev nlohmann-json3-dev prometheus-cpp-dev
  # The emulator, where the CUDA toolkit is.
  libzstd-dev
  # Tests and benchmarks.
  libgmock-dev libgtest-dev libbenchmark-dev
)
conformance_packages=(python3 python3-venv)
fuzz_packages=(clang-14 libclang-rt-14-dev)
lint_packages=(clang-format-14 clang-tidy-14)

packages=("${build_packages[@]}")
list_only=false
while [[ $# -gt 0 ]]; do
  case "$1" in
    --fuzz) packages+=("${fuzz_packages[@]}") ;;
    --conformance) packages+=("${conformance_packages[@]}") ;;
    --lint) packages+=("${lint_packages[@]}") ;;
    --list) list_only=true ;;
    -h | --help) usage; exit 0 ;;
    *) echo "install_deps.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
  esac
  shift
done

if $list_only; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  {
    echo "install_deps.sh: this system has no apt; Switchyard is built on Debian 12."
    echo "Elsewhere, install what these packages hold, then run cmake --preset release:"
    printf '  %s\n' "${packages[*]}"
  } >&2
  exit 4
fi

# dpkg-query also prints packages that were removed and left their configuration: only "installed" counts.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^installed //p' || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install_deps.sh: packages are missing and this is neither root nor is sudo here; as root, run:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 5
  fi
  as_root=(sudo)
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 "$@"
}

echo "Installing ${#missing[@]} packages: ${missing[*]}"
apt update || echo "install_deps.sh: the package lists are not fresh (see above); trying with those that are here" >&2
if ! apt install -y --no-install-recommends "${missing[@]}"; then
  echo "install_deps.sh: apt-get could not install all of: ${missing[*]}" >&2
  echo "Switchyard is built on Debian 12 (bookworm); this is $(. /etc/os-release && echo "$PRETTY_NAME")." >&2
  exit 5
fi
