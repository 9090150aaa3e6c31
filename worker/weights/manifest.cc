#include "worker/weights/manifest.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "worker/weights/crc32c.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {
namespace {

constexpr int kVersion = 1;
constexpr int64_t kBatchBytes = 64 * kMiB;
constexpr int kBatches = 4;  // that are read or hashed
constexpr size_t kDigits = 8;

int64_t NumRows(const TensorInfo& tensor) { return TensorRange::Whole(tensor).num_rows(); }

int64_t NumBands(const TensorInfo& tensor) {
  return tensor.num_bytes == 0 ? 0 : CeilDiv(NumRows(tensor), BandRows(tensor));
}

uint32_t DigestOf(const TensorRange& whole_rows, const std::byte* bytes) {
  return Crc32c({bytes, static_cast<size_t>(whole_rows.num_bytes())});
}

// Calls fn(band, its part of the range, its bytes) for every band of a range of whole bands.
template <typename Fn>
void ForEachBand(const TensorRange& range, const std::byte* bytes, Fn&& fn) {
  const int64_t rows = BandRows(*range.tensor);
  SY_CHECK(range.whole_rows() && range.row_begin % rows == 0) << range.tensor->name;
  if (range.num_bytes() == 0) return;
  for (int64_t begin = range.row_begin; begin < range.row_end; begin += rows) {
    const TensorRange band =
        TensorRange::Rows(*range.tensor, begin, std::min(begin + rows, range.row_end));
    fn(begin / rows, band, bytes + (begin - range.row_begin) * range.row_bytes());
  }
}

absl::Status DamagedStatus(const TensorRange& rows, uint32_t found, uint32_t expected) {
  return absl::DataLossError(
      fmt::format("tensor {}, rows {} to {}: the bytes are not those of the manifest (CRC-32C "
                  "{:08x}, not {:08x}): the file is damaged",
                  rows.tensor->name, rows.row_begin, rows.row_end - 1, found, expected));
}

// Of a batch's size at most, if bands are.
std::vector<ReadBatch> MakeBatches(const Checkpoint& checkpoint) {
  std::vector<WantedRange> parts;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (tensor.num_bytes == 0) continue;
    const int64_t rows = BandRows(tensor);
    const int64_t band_bytes = rows * (tensor.num_bytes / NumRows(tensor));
    const int64_t step = rows * std::max<int64_t>(1, kBatchBytes / 2 / band_bytes);
    for (int64_t begin = 0; begin < NumRows(tensor); begin += step) {
      const int64_t end = std::min(begin + step, NumRows(tensor));
      parts.push_back({TensorRange::Rows(tensor, begin, end)});
    }
  }
  std::ranges::sort(parts, {}, [](const WantedRange& part) {
    return std::pair(part.range.tensor->file, part.range.file_offset());
  });
  std::vector<ReadBatch> batches;
  int64_t bytes = 0;
  for (const WantedRange& part : parts) {
    const int64_t more = MaxStagingBytes(part.range);
    if (batches.empty() || bytes + more > kBatchBytes) {
      batches.emplace_back();
      bytes = 0;
    }
    bytes += more;
    batches.back().ranges.push_back(part);
  }
  return batches;
}

// The digests of one line of the manifest; nothing if it is not such a line.
std::optional<std::vector<uint32_t>> ParseDigests(const Json& json) {
  if (!json.is_string()) return std::nullopt;
  const std::string& text = json.get_ref<const std::string&>();
  if (text.size() % kDigits != 0) return std::nullopt;
  std::vector<uint32_t> digests;
  for (size_t at = 0; at < text.size(); at += kDigits) {
    const char* const end = text.data() + at + kDigits;
    uint32_t digest = 0;
    const auto parsed = std::from_chars(text.data() + at, end, digest, 16);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    digests.push_back(digest);
  }
  return digests;
}

}  // namespace

std::string Manifest::PathFor(const Checkpoint& checkpoint) {
  if (IsGgufPath(checkpoint.folder())) {
    return fmt::format("{}.{}", checkpoint.folder(), kManifestFileName);
  }
  return fmt::format("{}/{}", checkpoint.folder(), kManifestFileName);
}

int64_t BandRows(const TensorInfo& tensor) {
  const int64_t rows = NumRows(tensor);
  if (tensor.num_bytes == 0) return std::max<int64_t>(1, rows);
  return std::clamp<int64_t>(kBandBytes / (tensor.num_bytes / rows), 1, rows);
}

TensorRange WidenToBands(const TensorRange& range) {
  if (range.num_bytes() == 0) return range;
  const int64_t rows = BandRows(*range.tensor);
  return TensorRange::Rows(*range.tensor, range.row_begin / rows * rows,
                           std::min(RoundUp(range.row_end, rows), NumRows(*range.tensor)));
}

absl::StatusOr<Manifest> Manifest::Compute(const Checkpoint& checkpoint,
                                           const ManifestOptions& options) {
  Manifest manifest;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    manifest.bands_[tensor.name].resize(static_cast<size_t>(NumBands(tensor)));
  }
  ShardReaderOptions reading{.num_threads = options.num_threads,
                             .plan = {.direct = options.direct},
                             .progress = {},
                             .cancelled = options.cancelled,
                             .make_engine = {}};
  if (options.progress) {
    reading.progress = [&](const ReadProgress& progress) {
      options.progress(progress.bytes_done, progress.bytes_total);
    };
  }
  std::vector<ReadBatch> batches = MakeBatches(checkpoint);
  StagingPool pool(kBatches, kBatchBytes);
  const absl::Status status =
      ShardReader(&checkpoint, reading).Run(batches, pool, [&](ReadBatch& batch) {
        for (size_t i = 0; i < batch.ranges.size(); ++i) {
          const TensorRange& range = batch.ranges[i].range;
          std::vector<uint32_t>& digests = manifest.bands_[range.tensor->name];
          ForEachBand(range, batch.data(i),
                      [&](int64_t band, const TensorRange& rows, const std::byte* bytes) {
                        digests[static_cast<size_t>(band)] = DigestOf(rows, bytes);
                      });
        }
        batch.memory.reset();
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return manifest;
}

absl::Status Manifest::Write(const Checkpoint& checkpoint) const {
  Json tensors = Json::object();
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    std::string digests;
    for (const uint32_t digest : bands_.at(tensor.name)) digests += fmt::format("{:08x}", digest);
    tensors[tensor.name] = {{"dtype", FileDtypeName(tensor.dtype)},
                            {"shape", tensor.shape},
                            {"crc32c", std::move(digests)}};
  }
  const Json root = {{"switchyard_manifest", kVersion},
                     {"band_bytes", kBandBytes},
                     {"tensors", std::move(tensors)}};
  return WriteFile(PathFor(checkpoint), root.dump(1) + "\n");
}

absl::StatusOr<Manifest> Manifest::Read(const Checkpoint& checkpoint) {
  constexpr std::string_view kRemedy = "write it with `switchyard manifest --model DIR`";
  const std::string path = PathFor(checkpoint);
  absl::StatusOr<std::string> text = ReadFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        fmt::format("{}: there is no manifest to verify by: {}", path, kRemedy));
  }
  if (!text.ok()) return text.status();
  const auto fault = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}; {}", path, what, kRemedy));
  };
  const absl::StatusOr<Json> root = ParseJson(*text);
  if (!root.ok()) return fault(Message(root.status()));
  if (!root->is_object() || root->value("switchyard_manifest", Json()) != Json(kVersion) ||
      root->value("band_bytes", Json()) != Json(kBandBytes) || !root->contains("tensors") ||
      !(*root)["tensors"].is_object()) {
    return fault("is no manifest of this version");
  }
  const Json& tensors = (*root)["tensors"];
  Manifest manifest;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const auto entry = tensors.find(tensor.name);
    if (entry == tensors.end() || !entry->is_object() ||
        entry->value("dtype", Json()) != Json(FileDtypeName(tensor.dtype)) ||
        entry->value("shape", Json()) != Json(tensor.shape)) {
      return fault(fmt::format("is of another checkpoint: it does not have tensor {} as {} {}",
                               tensor.name, FileDtypeName(tensor.dtype),
                               ShapeString(tensor.shape)));
    }
    std::optional<std::vector<uint32_t>> digests = ParseDigests(entry->value("crc32c", Json()));
    if (!digests.has_value() || std::ssize(*digests) != NumBands(tensor)) {
      return fault(
          fmt::format("tensor {} does not have {} digests", tensor.name, NumBands(tensor)));
    }
    manifest.bands_.emplace(tensor.name, *std::move(digests));
  }
  return manifest;
}

absl::Status Manifest::Verify(const TensorRange& range, const std::byte* bytes) const {
  const std::vector<uint32_t>& digests = bands_.at(range.tensor->name);
  absl::Status status;
  ForEachBand(range, bytes, [&](int64_t band, const TensorRange& rows, const std::byte* data) {
    const uint32_t expected = digests[static_cast<size_t>(band)];
    const uint32_t found = DigestOf(rows, data);
    if (found != expected && status.ok()) status = DamagedStatus(rows, found, expected);
  });
  return status;
}

absl::Status Manifest::Compare(const Checkpoint& checkpoint, const Manifest& found) const {
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const std::vector<uint32_t>&expected = bands_.at(tensor.name),
          &digests = found.bands_.at(tensor.name);
    for (size_t band = 0; band < digests.size(); ++band) {
      if (digests[band] == expected[band]) continue;
      const int64_t begin = static_cast<int64_t>(band) * BandRows(tensor);
      const TensorRange rows =
          TensorRange::Rows(tensor, begin, std::min(begin + BandRows(tensor), NumRows(tensor)));
      return Annotate(DamagedStatus(rows, digests[band], expected[band]),
                      checkpoint.files()[static_cast<size_t>(tensor.file)]);
    }
  }
  return absl::OkStatus();
}

uint32_t Manifest::digest() const {
  std::vector<std::string_view> names;
  for (const auto& [name, digests] : bands_) names.push_back(name);
  std::ranges::sort(names);
  uint32_t crc = 0;
  for (const std::string_view name : names) {
    crc = Crc32c(std::as_bytes(std::span(name)), crc);
    crc = Crc32c(std::as_bytes(std::span(bands_.at(std::string(name)))), crc);
  }
  return crc;
}

}  // namespace switchyard::worker
