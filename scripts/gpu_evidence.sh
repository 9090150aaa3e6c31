#!/usr/bin/env bash
# Prints docs/gpu-evidence.md from a release build: scripts/gpu_evidence.sh > docs/gpu-evidence.md
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=build/release/bin

compiler=$(sed -n 's/^set(CMAKE_CUDA_COMPILER_VERSION "\(.*\)")/\1/p' \
  build/release/CMakeFiles/*/CMakeCUDACompiler.cmake)
cat <<'END'
# Evidence about speed on GPUs

No part of Switchyard has been timed on a GPU yet. What can be said without one is here; `scripts/gpu_evidence.sh` writes this
page from a release build.

## What the kernels are held to

- ptxas: a spill, local memory or serialised `wgmma` stops the build (`cmake/SwitchyardCuda.cmake`).
- The emulator: every kernel test runs in five modes, three of them with a random order of warps, late copies and a race check
  (`tests/kernels/cuda/CMakeLists.txt`).
- This page: a kernel that takes more of what the table below names fails `gpu_evidence_test`.

## What ptxas gave each kernel

END
cat <<END
By nvcc $compiler for sm_90a, printed by \`switchyard-kernels build/release/lib/switchyard-cuda.so\`. Where a kernel uses shared
memory, 1,024 bytes are the system's; dynamic shared memory is chosen at the launch (\`kernels/cuda/choose\`). \`GemmForm\` 0 is
BF16, 1 BF16 with block scales, 2 FP8.

END
"$bin/switchyard-kernels" build/release/lib/switchyard-cuda.so
printf '\n## Bounds of a step\n\n'
cat <<END
Printed by \`bench_bounds\`. "Rows" are tokens that one GPU computes in a step; weights are read once, experts are evenly loaded,
and what travels between nodes travels once for each slot.

END
"$bin/bench_bounds"
