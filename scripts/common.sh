# Sourced by the scripts that a person types: what they say and how they build.

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
if [[ ! -t 1 || -n ${NO_COLOR:-} ]]; then say() { printf '==> %s\n' "$*"; }; fi

die() {
  local code=$1
  shift
  echo "${0##*/}: $*" >&2
  exit "$code"
}

# Exit codes as every Switchyard program has them (docs/exit-codes.md).
readonly exit_usage=2 exit_resources=5 exit_lost=6

# How many sources may compile at a time: one per core, as far as there are 1.2 GB of free memory for each (what a source takes
# that includes gRPC).
build_jobs() {
  local cores free_mb by_memory
  cores=$(nproc)
  free_mb=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
  by_memory=$((free_mb / 1200))
  ((by_memory < 1)) && by_memory=1
  echo $((by_memory < cores ? by_memory : cores))
}

# configure PRESET: once, and again when the presets changed; changes of CMake's other files are seen by the build itself.
configure() {
  local preset=$1 stamp presets log
  stamp=build/$preset/presets.cksum
  log=build/configure-$preset.log
  presets=$(cksum <CMakePresets.json)
  if [[ -f build/$preset/build.ninja && -f $stamp && $(<"$stamp") == "$presets" ]]; then
    return
  fi
  say "Configuring $preset"
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    die 1 "cmake could not configure; its messages are above"
  fi
  echo "$presets" >"$stamp"
}

# build PRESET [TARGET...]
build() {
  local preset=$1 jobs
  shift
  jobs=$(build_jobs)
  say "Building $preset with $jobs jobs"
  cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"}
}
