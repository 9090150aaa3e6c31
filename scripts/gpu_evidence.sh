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
- The emulator: every kernel test runs, with all its shapes, in five modes: one reports reads of what nobody wrote, three have a
  random order of warps, late copies and a race check (`tests/kernels/cuda/CMakeLists.txt`).
- This page: a kernel that takes more registers, stack or shared memory than the tables below say, of which fewer warps fit a
  multiprocessor, whose accesses take more sectors or wavefronts, or whose loop more issue slots, fails `gpu_evidence_test`, which
  makes the run again. So does a page whose stages or bounds are not those of the build. Where nvcc is of another version than
  the page's, registers, warps and issue slots are left out, in one line that says so: another ptxas gives others.

## What ptxas gave each kernel

END
cat <<END
By nvcc $compiler for sm_90a, printed by \`switchyard-kernels build/release/lib/switchyard-cuda.so\`. Where a kernel uses shared
memory, 1,024 bytes are the system's. \`GemmForm\` 0 is BF16, 1 BF16 with block scales, 2 FP8, 3 whole numbers of 4 bits,
4 MXFP4.

END
counters=$(mktemp)
tables=$(mktemp)
trap 'rm -f "$counters" "$tables"' EXIT
LD_LIBRARY_PATH=build/release/lib/switchyard-emulator SWITCHYARD_EMULATOR="counters=1,counters_file=$counters" \
  "$bin/bench_kernels" --backend cuda --brief >/dev/null
"$bin/switchyard-kernels" build/release/lib/switchyard-cuda.so --counters "$counters" >"$tables"
# Three tables, divided by empty lines.
table() { awk -v RS= -v wanted="$1" 'NR == wanted' "$tables"; }
table 1
cat <<'END'

## Blocks on a multiprocessor

Threads and dynamic shared memory are those of the launches in `bench_kernels --backend cuda --brief`, run on the emulator:
served widths with few rows, and for kernels that no served model reaches another width; one launch at least of each kernel.
Blocks, warps (of 64) and what limits them are computed by the toolkit's calculator (`cuda_occupancy.h`) from these and from
what ptxas gave, for an H100: 65,536 registers, 228 KiB of shared memory, 2,048 threads.

END
table 2
cat <<'END'

Pipelines, by the functions that choose them (`kernels/cuda/choose`), printed by `bench_kernels --stages`. The first row of a
width is a small matrix, the second one whose tiles outnumber the multiprocessors. Other kernels have no stages.

END
"$bin/bench_kernels" --stages
cat <<'END'

## Accesses to memory

Counted by the emulator in the same run, in percent of the fewest that the bytes of each request need: sectors of 32 bytes of
global memory, wavefronts of shared memory. 100 is coalesced and without bank conflicts. Bulk copies (TMA) into shared memory move
whole lines and are not in it; nor are atomics. Rows begin where sectors do; rows of an odd width (`GqaWriteKernel<unsigned
short>`, `CombineRowsKernel` of one column) share their first and last sectors with their neighbours where they do not.

END
table 3
cat <<'END'

What is above 100 is so by its data. `LogitGatherKernel` reads single logits, each in a row of its own: a sector each. What finds
experts by ids (`RouteTokensKernel`, `DispatchTokensKernel`) looks into tables in shared memory at places that ids name: those of
this run follow one another, others may meet in a bank. What 32 rows add to a list of theirs begins where the list has come to, so
it may take a sector more than it fills.

## Issue slots of the products

By `kernel_issue_slots build/release/lib/switchyard-cuda.so` from the machine code: instructions of a warp in the innermost loop
that multiplies, for 128 of K (of a latent, in attention). `HGMMA` multiplies BF16, `QGMMA` FP8; the other slots wait for
stages, make addresses and, where blocks have scales (`GemmForm` 1 and 2), scale and add the sums; where weights are codes (3
and 4) they widen 32 of them in each thread for each 64 of K. Nothing here says how many
of them hide behind the tensor cores. The loop of `GqaPrefillKernel` is a whole turn, with the softmax and with what only turns
at the edge of what queries see run.

END
"$bin/kernel_issue_slots" build/release/lib/switchyard-cuda.so
printf '\n## Bounds of a step\n\n'
cat <<END
Printed by \`bench_bounds\`. "Rows" are tokens that one GPU computes in a step; weights are read once, experts are evenly loaded,
and what travels between nodes travels once for each slot.

END
"$bin/bench_bounds"
