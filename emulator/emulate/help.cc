#include "emulator/emulate/help.h"

namespace emu {

const char kHelpText[] =
    R"help(Runs a CUDA program on a machine without a GPU: the same binary that a GPU machine runs.

  switchyard-emulate [flags] COMMAND [ARGUMENTS...]

The command and all processes that it starts find a libcudart.so.13 and a libnccl.so.2 that interpret
the PTX inside the program, on the CPU, and move data between processes through shared memory.
Programs must be built with  nvcc -cudart shared -gencode arch=compute_90a,code=[sm_90a,compute_90a].

Start here:
  switchyard-emulate ./vector_add                    an ordinary run: memory is checked, order is fixed
  switchyard-emulate --devices 4 ./all_reduce        four devices in one machine

A kernel that gives the right answer once may still be wrong. These find out:
  switchyard-emulate --async late ./test             copies land as late as the program allows
  switchyard-emulate --race --schedule random --async late --seed 1 ./test
                                                     unordered accesses are reported; try more seeds
  switchyard-emulate --streams random --seed 7 ./test
                                                     a missing synchronisation gives a wrong answer
  switchyard-emulate --numerics h100 ./test          tensor-core sums with the bits of an H100

What a kernel costs in memory traffic, without a clock:
  switchyard-emulate --counters counters.%p.json ./test

Several processes, one per rank, as under any launcher:
  switchyard-emulate bash -c './worker 0 2 & ./worker 1 2 & wait'
  switchyard-emulate --dead-peer error bash -c './worker 0 2 & ./worker 1 2 & wait'

Under a debugger:
  eval "$(switchyard-emulate --print-environment)" && gdb ./test

Flags
  --schedule fixed|random       order of warps and blocks (fixed)
  --async eager|late|random     when cp.async, TMA and wgmma take effect (eager)
  --seed N                      of everything that is random (1)
  --race                        report conflicting accesses that nothing orders
  --no-memcheck                 do not check accesses against live allocations
  --initcheck                   report reads of data that nobody wrote; good kernels may load such data
                                beside their own and not use it
  --numerics fast|h100          tensor-core sums: fast fp32, or the bits of an H100 (fast)
  --counters FILE               write requests, sectors, bank conflicts and opcodes as JSON at exit;
                                %p in the name becomes the process's number
  --step-limit N                end a kernel with a block of which the warps run more than N
                                instructions; 0: let it run (0)
  --streams lazy|eager|random   when enqueued work runs: when somebody waits for it, at once, or in a
                                seeded order (lazy)
  --devices N                   devices of the machine, 1 to 16 (1)
  --memory BYTES[K|M|G]         memory of each device, 1M to 1024G (4G)
  --threads N                   processors that run blocks (all)
  --dead-peer hang|error        a rank that waits for a process that has ended: waits until its
                                communicator is aborted, as on a GPU, or gets ncclRemoteError (hang)
  --list-checks                 what is checked, and which flags turn it on
  --print-environment           print the variables that the flags become, and run nothing
  -h, --help                    this text

Flags add to what SWITCHYARD_EMULATOR and SWITCHYARD_EMULATOR_NCCL hold already. Durations on the emulated device
say nothing about a real one.

Exit codes: those of the command; 2 wrong flags, 3 the command or a library is missing, 4 a program
that cannot run here.
)help";

const char kChecksText[] =
    R"help(Always
  unknown instruction           the PTX is refused when it is loaded, with line and text
  deadlock                      a kernel that cannot go on is ended; every waiting warp's line is named
                                (with --step-limit: also one that goes on for ever)
  calls of ranks                NCCL calls that do not match are reported by rank and value

Unless --no-memcheck
  out of bounds                 accesses outside live allocations, global and shared memory
  use after free                named as such, with the allocation

With --initcheck
  uninitialised read            data of shared or device memory that nobody wrote

With --race
  race                          two accesses that nothing orders, one of them a write: between threads,
                                between blocks, between ordinary and asynchronous (TMA, wgmma) accesses

With --schedule random, --async late|random, --streams random
  hidden assumptions            about the order of warps, the speed of copies and the order of streams:
                                wrong answers, deadlocks or races that one fixed order never shows
)help";

}  // namespace emu
