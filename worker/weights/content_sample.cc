#include "worker/weights/content_sample.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "worker/weights/sha256.h"

namespace switchyard::worker {
namespace {

// A name without its numbers: "model.layers.#.mlp.experts.#.up_proj.weight".
std::string KindOf(std::string_view name) {
  std::string kind;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) kind += c;
    if (digit && !kind.ends_with('#')) kind += '#';
  }
  return kind;
}

TensorInfo MiddleOf(const TensorInfo& tensor) {
  const int64_t bytes = std::min(tensor.num_bytes, kSampleBytes);
  return {.name = tensor.name,
          .dtype = FileDtype::kU8,
          .shape = {bytes},
          .file = tensor.file,
          .offset = tensor.offset + (tensor.num_bytes - bytes) / 2,
          .num_bytes = bytes};
}

}  // namespace

std::vector<TensorInfo> ChooseSample(const Checkpoint& checkpoint) {
  std::map<std::string, std::vector<const TensorInfo*>> kinds;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    kinds[KindOf(tensor.name)].push_back(&tensor);
  }
  std::vector<TensorInfo> places;
  for (const auto& [kind, tensors] : kinds) {
    const int64_t count = std::min<int64_t>(std::ssize(tensors), kSamplesOfKind);
    for (int64_t i = 0; i < count; ++i) {  // the first and the last among them
      const int64_t at = count == 1 ? 0 : i * (std::ssize(tensors) - 1) / (count - 1);
      places.push_back(MiddleOf(*tensors[static_cast<size_t>(at)]));
    }
  }
  return places;
}

absl::StatusOr<std::string> DigestOfSample(const Checkpoint& checkpoint,
                                           const std::vector<TensorInfo>& places,
                                           const ShardReaderOptions& options) {
  ReadBatch batch;
  for (const TensorInfo& place : places) {
    batch.ranges.push_back({.range = TensorRange::Whole(place), .shared = true});
  }
  SY_RETURN_IF_ERROR(ShardReader(&checkpoint, options).Read(batch));
  std::string bytes;
  for (size_t i = 0; i < places.size(); ++i) {
    bytes.append(reinterpret_cast<const char*>(batch.data(i)),
                 static_cast<size_t>(places[i].num_bytes));
  }
  return Sha256(bytes);
}

}  // namespace switchyard::worker
