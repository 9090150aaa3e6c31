// What the pipelined kernels ask of a multiprocessor, by the functions that choose it.
#ifndef SWITCHYARD_BENCH_KERNELS_CUDA_STAGES_H_
#define SWITCHYARD_BENCH_KERNELS_CUDA_STAGES_H_

namespace switchyard::bench {

// Prints a Markdown table: stages on their way, threads and dynamic shared memory of a block.
void PrintStages();

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_KERNELS_CUDA_STAGES_H_
