#!/usr/bin/env bash
# From a fresh machine to a served model: installs, builds, starts a cluster, asks it one question. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/common.sh

usage() {
  cat <<'END'
Usage: ./quickstart.sh [--port N] [--grpc-port N] [--once]

Installs what is missing (Debian packages; root or sudo), builds, and serves the bundled model on this machine: one coordinator
and four workers, as 2 attention groups x 2 tensor-parallel ranks. Asks one question through the HTTP API, prints the answer as
it comes, then serves until Ctrl-C. A second Ctrl-C does not wait for answers under way.

  --port N       port of the HTTP API on 127.0.0.1 (default 8000)
  --grpc-port N  port of gRPC, which the workers and `switchyard status` use (default 7070)
  --once         end after the answer
  -h, --help     this text

Exit code: 0 done, 2 wrong options, 5 packages cannot be installed or a port is in use, 6 the cluster was lost or not ready in
time, 130 stopped before the answer.
END
}

readonly model=models/tiny-r1
readonly question='How does a request travel through this system?'
readonly logs=build/quickstart-logs
readonly ready_deadline_s=180
port=8000
grpc_port=7070
once=false

while [[ $# -gt 0 ]]; do
  case "$1" in
    --port | --grpc-port)
      [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ && $2 -le 65535 ]] || die $exit_usage "$1 needs a number from 1 to 65535"
      if [[ $1 == --port ]]; then port=$2; else grpc_port=$2; fi
      shift
      ;;
    --once) once=true ;;
    -h | --help) usage; exit 0 ;;
    *) die $exit_usage "unknown option $1 (see --help)" ;;
  esac
  shift
done
readonly url=http://127.0.0.1:$port
readonly switchyard=build/release/bin/switchyard

say "Checking packages"
scripts/install_deps.sh
mkdir -p build "$logs"
configure release
build release switchyard switchyard-coordinator switchyard-worker

refuse_used_port() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
    die $exit_resources "port $2 is in use; choose another one with $1 N"
  fi
}
refuse_used_port --port "$port"
refuse_used_port --grpc-port "$grpc_port"

# The cluster runs in a session of its own: Ctrl-C reaches this script alone, which passes it on once. Should this script be
# killed, the kernel interrupts the cluster in its place.
serve_pid=

interrupt_serve() { kill -INT "$serve_pid" 2>/dev/null || true; }

# Returns the exit code of `serve`. A signal to this script ends `wait` early, hence the loop.
wait_for_serve() {
  while kill -0 "$serve_pid" 2>/dev/null; do
    wait "$serve_pid" || true
  done
  wait "$serve_pid"
}

stop_serve() {
  interrupt_serve
  wait_for_serve || true
}

show_logs() {
  local log
  for log in "$logs"/*.log; do
    [[ -s $log ]] || continue
    echo "--- the end of $log" >&2
    tail -n 8 "$log" >&2
  done
}

say "Starting one coordinator and four workers (logs: $logs)"
rm -f "$logs"/*.log
setsid setpriv --pdeathsig INT "$switchyard" serve --model "$model" --dp 2 --tp 2 --port "$port" \
  --grpc-port "$grpc_port" --log-dir "$logs" &
serve_pid=$!
trap stop_serve EXIT
interrupted=false
trap 'interrupted=true; interrupt_serve' INT TERM HUP

# The end of `serve` before it was told to end.
report_lost() {
  local code=0
  wait_for_serve || code=$?
  $interrupted && exit 130
  show_logs
  die "$((code == 0 ? exit_lost : code))" "the cluster ended; its own words are above"
}

deadline=$((SECONDS + ready_deadline_s))
until curl -sf --noproxy '*' --max-time 2 -o /dev/null "$url/health"; do
  kill -0 "$serve_pid" 2>/dev/null || report_lost
  # Once more: a process that only just begins does not listen to Ctrl-C yet.
  ! $interrupted || interrupt_serve
  if ((SECONDS > deadline)); then
    show_logs
    die $exit_lost "$url/health was not ready after $ready_deadline_s s"
  fi
  sleep 0.2
done

say "Asking: $question"
"$switchyard" chat --url "$url" --message "$question" --temperature 0 --max-tokens 200 || {
  $interrupted || show_logs
  $interrupted && exit 130
  die $exit_lost "the question was not answered"
}

if $once; then
  say "Stopping"
  interrupt_serve
  code=0
  wait_for_serve || code=$?
  exit "$code"
fi

cat <<END

Type next, in another terminal:

  curl -N $url/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"messages": [{"role": "user", "content": "What is the capital of Egypt?"}], "temperature": 0, "stream": true}'

or talk to it with: $switchyard chat --url $url
Ctrl-C here stops the cluster.
END

code=0
wait_for_serve || code=$?
if ! $interrupted; then
  report_lost
fi
exit "$code"
