#include "worker/parallel/expert_tables.h"

#include <vector>

#include "base/check.h"

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

ExpertTables::ExpertTables(const ParallelContext& context, kernels::Device& device)
    : device_(device),
      memory_(device.Allocate(
          (2 * int64_t{context.num_experts()} + std::ssize(context.local_experts())) *
          SizeOf(DType::kI32))) {
  const int64_t experts = context.num_experts();
  const TensorView all(memory_.data(), DType::kI32,
                       {2 * experts + std::ssize(context.local_experts())});
  rank_of_expert_ = all.Rows(0, experts);
  local_index_of_ = all.Rows(experts, experts);
  expert_rows_ = all.Rows(2 * experts, std::ssize(context.local_experts()));
  std::vector<int32_t> places;
  for (int e = 0; e < context.num_experts(); ++e) places.push_back(context.RankOfExpert(e));
  for (int e = 0; e < context.num_experts(); ++e) places.push_back(context.LocalIndexOfExpert(e));
  device.CopyToDevice(all.data, places.data(), std::ssize(places) * SizeOf(DType::kI32));
}

void ExpertTables::Take(std::span<uint32_t> expert_rows) {
  SY_CHECK_EQ(std::ssize(expert_rows), expert_rows_.rows());
  const int64_t num_bytes = expert_rows_.rows() * SizeOf(DType::kI32);
  std::vector<uint32_t> rows(expert_rows.size());
  device_.CopyToHost(rows.data(), expert_rows_.data, num_bytes);
  device_.Zero(expert_rows_.data, num_bytes);
  for (size_t i = 0; i < rows.size(); ++i) expert_rows[i] += rows[i];
}

}  // namespace switchyard::worker
