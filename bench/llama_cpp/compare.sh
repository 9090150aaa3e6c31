#!/usr/bin/env bash
# Switchyard and llama.cpp on the same file in turns: see bench/README.md.
# Usage: bench/llama_cpp/compare.sh PYTHON BENCH_ENGINE FILE.gguf q4|q8 [TURNS [THREADS]]
#   PYTHON  of an environment with xllamacpp; the file comes of make_model.py
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
readonly here python=$1 bench=$2 file=$3 form=$4 turns=${5:-3} threads=${6:-$(nproc)}

printf '%-12s %6s %16s %16s\n' "" turn "decode tokens/s" "prefill tokens/s"
for ((turn = 1; turn <= turns; ++turn)); do
  "$bench" --model "$file" --weights "$form" --batch 1 --prefill 512 --threads "$threads" --seconds 5 --timings 1 2>/dev/null |
    awk -v turn="$turn" '$1 == "decode" { decode = 1000 / $5 } $1 == "prefill" { prefill = 512000 / $5 }
      /GB\/s read/ { probe = $0 }
      END { printf "%-12s %6d %16.2f %16.2f   (%s)\n", "switchyard", turn, decode, prefill, probe }'
  "$python" "$here/run_llama_cpp.py" "$file" "$threads" 1 2>/dev/null |
    awk -v turn="$turn" '$1 == "decode" { printf "%-12s %6d %16.2f %16.2f\n", "llama.cpp", turn, $2, $4 }'
done
