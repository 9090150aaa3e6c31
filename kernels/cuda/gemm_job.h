// What the kernels of a product read: one job is one weight and the rows that meet it. A launch
// runs one job or, for experts and heads, many.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_JOB_H_
#define SWITCHYARD_KERNELS_CUDA_GEMM_JOB_H_

#include <cuda_bf16.h>

#include <cstddef>
#include <cstdint>

#include "kernels/args/gating.h"
#include "kernels/args/quantised.h"
#include "kernels/cuda/choose/gemm_layout.h"

namespace switchyard::kernels::cuda {

// A packed weight in device memory.
struct GemmWeight {
  const uint8_t* tiles;        // [row_tiles, k_tiles, planes] tiles of TileBytes
  const KTile* k_tiles_of_x;   // [k_tiles]
  const int32_t* part_begin;   // [parts + 1], in k tiles
  const float* scales;         // f32 [row_tiles, k_tiles / TilesPerScale, slots]; null: none
  const uint8_t* scale_slots;  // [row_tiles, kTileRows]: a row's place among its tile's scales
  const float* bias;           // f32 [n], of gate-up [2, n]: gate, up; null: none
  int32_t n, k;
  int32_t row_tiles, k_tiles;
  int16_t planes, parts, slots;
  int16_t groups;  // of a tile of codes
  bool gate_up;    // rows of a tile alternate by 8: gate, up
  GateFunction gate_function;
  float gate_limit;
};

// Rows of activations on their way into the form of a product. As in GemmJob, what RouteJobs gives
// stands first and fills a sector of memory: one store in a list of jobs.
struct alignas(32) QuantiseJob {
  const __nv_bfloat16* x;  // [rows, k]
  int64_t x_stride;
  int32_t rows;
  int32_t first_atom;  // of all jobs' atoms; a job begins a new one
  int32_t ue8m0;
  int32_t k_tiles;
  // f32 [rows, groups], the largest |x| of each quantisation group; null: taken from x.
  const float* amax;
  int64_t amax_stride;
  const KTile* tiles;  // [k_tiles]
  int32_t k, lead;
};

// Where the converted rows of all jobs go. Padding rows are zeros.
struct GemmActivations {
  uint8_t* atoms;  // [k tiles, num_atoms] of kAtomBytes
  float* scales;   // f32 [k tiles, num_atoms * kAtomRows]; null: not quantised
  int32_t num_atoms;
};

// QuantisedRows of this backend: the atoms of all tiles of K, then the scales.
int64_t QuantisedBytes(int64_t rows, int64_t columns);
GemmActivations ActivationsOf(const QuantisedRows& rows);

// Results of a launch that are quantised by it, for the products behind it: rows and atoms are
// those of the launch's own activations.
struct GemmHandOver {
  GemmActivations x;
  // i32 [token tiles, groups of 128 outputs] of each job: row tiles that are stored. Zeros before
  // and after. Null: nothing is handed over.
  int32_t* arrivals;
  int32_t ue8m0;
};

// The rows of a launch.
struct GemmRows {
  GemmActivations x;
  GemmHandOver to;  // only of e4m3 products
};

struct alignas(32) GemmJob {
  void* y;           // bf16 or f32 [rows, n]
  int64_t y_stride;  // elements
  int32_t rows;
  int32_t first_atom;
  int32_t first_piece;    // of the launch's pieces
  int32_t first_arrival;  // of the launch's counters, if it has any
  GemmWeight weight;
  float* sums;  // f32 [parts, rows, row_tiles * kTileRows]; null: to y at once
  int32_t y_is_f32;
};

// Jobs of a list begin where sectors of memory do.
inline constexpr int kSectorBytes = 32;
static_assert(sizeof(QuantiseJob) % kSectorBytes == 0 && sizeof(GemmJob) % kSectorBytes == 0);
static_assert(offsetof(QuantiseJob, amax) == kSectorBytes);
static_assert(offsetof(GemmJob, weight) == kSectorBytes);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_JOB_H_
