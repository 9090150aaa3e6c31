// Bodies of the kernels that bring activations into the form of a product, and that find the
// largest magnitudes. A group of lanes owns a row's tile, eight columns a lane.
#ifndef SWITCHYARD_KERNELS_CUDA_QUANTISE_CUH_
#define SWITCHYARD_KERNELS_CUDA_QUANTISE_CUH_

#include "kernels/cuda/gemm_common.cuh"
#include "kernels/cuda/quantise_lanes.cuh"

namespace switchyard::kernels::cuda {

// This lane's part of the largest |x| of the scale group that `tile` lies in. `values`: of the
// tile; the group is more where a shard's border has cut it.
__device__ inline float TileAmax(const QuantiseJob& job, const KTile& tile, int row, int lane,
                                 const __nv_bfloat16 (&values)[kLaneColumns]) {
  if (row >= job.rows) return 0;
  if (job.amax != nullptr) return job.amax[row * job.amax_stride + tile.scale_group];
  const int begin = max(0, tile.scale_group * static_cast<int>(kScaleColumns) - job.lead);
  const int end = min(job.k, (tile.scale_group + 1) * static_cast<int>(kScaleColumns) - job.lead);
  if (end - begin == tile.columns) return AmaxOf(values);
  alignas(16) __nv_bfloat16 group[kLaneColumns];
  LoadColumns(job.x + row * job.x_stride, begin + lane * kLaneColumns, end, group);
  return AmaxOf(group);
}

template <GemmForm kForm>
inline constexpr int kLanesOfRow = TileColumns(kForm) / kLaneColumns;

// Each warp takes some rows of one atom and tile of K; items are atoms x tiles, tile fastest.
template <GemmForm kForm>
__global__ void QuantiseKernel(const __grid_constant__ JobList<QuantiseJob> jobs,
                               GemmActivations to, int most_k_tiles) {
  constexpr int kLanes = kLanesOfRow<kForm>;
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned item = thread / (kAtomRows * kLanes);
  const auto atom = static_cast<int32_t>(item / static_cast<unsigned>(most_k_tiles));
  const auto k_tile = static_cast<int32_t>(item % static_cast<unsigned>(most_k_tiles));
  if (atom >= to.num_atoms) return;
  QuantiseJob job = jobs.single;
  if (jobs.many != nullptr) {
    job = jobs.many[FindJob(jobs, atom)];
  }
  if (k_tile >= job.k_tiles) return;
  const int lane = static_cast<int>(thread % kLanes);
  const int row_of_atom = static_cast<int>(thread / kLanes % kAtomRows);
  const int row = (atom - job.first_atom) * kAtomRows + row_of_atom;
  const KTile tile = job.tiles[k_tile];
  const int64_t place = int64_t{k_tile} * to.num_atoms + atom;
  alignas(16) __nv_bfloat16 values[kLaneColumns];
  const int end = row < job.rows ? tile.column + tile.columns : 0;  // padding: nothing is read
  LoadColumns(job.x + row * job.x_stride, tile.column + lane * kLaneColumns, end, values);
  if constexpr (kForm == GemmForm::kE4m3) {
    const float amax = LanesAmax<kLanes>(TileAmax(job, tile, row, lane, values));
    StoreCodes(values, ActivationScale(amax, job.ue8m0 != 0), to, place, {row_of_atom, lane});
  } else {
    uint8_t* const bytes = to.atoms + place * kAtomBytes;
    *reinterpret_cast<uint4*>(bytes + SwizzledChunk(row_of_atom, lane)) =
        *reinterpret_cast<const uint4*>(values);
  }
}

// A warp for each row and group of 128 columns.
__global__ void GroupAmaxKernel(const __nv_bfloat16* x, int64_t x_stride, int64_t rows, int k,
                                int lead, float* amax, int64_t amax_stride, int groups) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int64_t warps = int64_t{gridDim.x} * blockDim.x / kWarpThreads;
  for (int64_t item = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / kWarpThreads;
       item < rows * groups; item += warps) {
    const int64_t row = item / groups;
    const int group = static_cast<int>(item % groups);
    float largest = 0;
    for (int i = lane; i < kScaleColumns; i += kWarpThreads) {
      const int column = group * static_cast<int>(kScaleColumns) - lead + i;
      if (column < 0 || column >= k) continue;
      largest = fmaxf(largest, fabsf(__bfloat162float(x[row * x_stride + column])));
    }
    largest = LanesAmax<kWarpThreads>(largest);
    if (lane == 0) amax[row * amax_stride + group] = largest;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_QUANTISE_CUH_
