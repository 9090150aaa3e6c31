#include "worker/weights/packed_cache.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/file.h"
#include "base/version.h"
#include "worker/weights/content_sample.h"
#include "worker/weights/crc32c.h"
#include "worker/weights/manifest.h"
#include "worker/weights/sha256.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kProbeBytes = 64 * kMiB;  // shows whether the system gives huge pages

// A digest of the manifest that lies beside the checkpoint, whoever asks for it.
std::string DescribeManifest(const Checkpoint& checkpoint) {
  const absl::StatusOr<std::string> text =
      ReadFile(Manifest::PathFor(checkpoint), Manifest::kMaxFileBytes);
  if (text.ok()) return Sha256(*text);
  return absl::IsNotFound(text.status()) ? "none" : "cannot be read";
}

// Names, sizes and times of change of the files, what their headers say, some of their bytes, and
// what the manifest says of all.
absl::StatusOr<std::string> DescribeCheckpoint(const Checkpoint& checkpoint,
                                               const ShardReaderOptions& reader) {
  std::string text;
  for (const std::string& path : checkpoint.files()) {
    SY_ASSIGN_OR_RETURN(const PosixFile file, PosixFile::OpenForRead(path));
    text += fmt::format("file {}, {} bytes, changed at {} ns\n",
                        std::filesystem::path(path).filename().string(), file.num_bytes(),
                        file.changed_ns());
  }
  std::string tensors;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    tensors += fmt::format("{} {} {} in {} at {}", tensor.name, FileDtypeName(tensor.dtype),
                           ShapeString(tensor.shape), tensor.file, tensor.offset);
    if (tensor.gguf.has_value()) {
      tensors += fmt::format(", {} of {} columns, heads of {} rows", tensor.gguf->type->name,
                             tensor.gguf->columns, tensor.gguf->head_rows);
    }
    tensors += "\n";
  }
  const std::vector<TensorInfo> places = ChooseSample(checkpoint);
  SY_ASSIGN_OR_RETURN(const std::string sample, DigestOfSample(checkpoint, places, reader));
  return text + fmt::format("tensors {}\nbytes at {} places {}\nmanifest {}\n", Sha256(tensors),
                            places.size(), sample, DescribeManifest(checkpoint));
}

std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// The first line of `found` that is another one in `wanted`, and that one.
std::string Difference(std::string_view found, std::string_view wanted) {
  while (!found.empty() && !wanted.empty() && FirstLine(found) == FirstLine(wanted)) {
    found.remove_prefix(std::min(found.size(), FirstLine(found).size() + 1));
    wanted.remove_prefix(std::min(wanted.size(), FirstLine(wanted).size() + 1));
  }
  return fmt::format("it has \"{}\", wanted is \"{}\"", FirstLine(found), FirstLine(wanted));
}

// What belongs to one file that is read back.
struct Restoring {
  const std::string& path;
  const PackedHeader& header;
  kernels::Device& device;
  const PackedCache::RestoreOptions& options;
};

absl::Status CheckSlab(const Restoring& restoring, size_t slab, std::span<const std::byte> bytes) {
  if (Crc32c(bytes) == restoring.header.slab_digests[slab]) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("{}: bytes from {} on are not what was written", restoring.path,
                  restoring.header.body_begin() + static_cast<int64_t>(slab) * kPackedSlabBytes));
}

// Parts of a body whose bytes come slab by slab.
class PartFiller {
 public:
  explicit PartFiller(const Restoring& restoring)
      : device_(restoring.device), places_(restoring.header.PartPlaces()) {
    for (const int64_t bytes : restoring.header.part_bytes) {
      parts_.push_back(device_.Allocate(bytes));
    }
  }

  // Bytes of the body from `begin` on, to all parts that have some of them.
  void Fill(int64_t begin, std::span<const std::byte> bytes) {
    const int64_t end = begin + std::ssize(bytes);
    auto part = std::ranges::upper_bound(places_, begin) - places_.begin() - 1;
    for (; part < std::ssize(places_) && places_[static_cast<size_t>(part)] < end; ++part) {
      const int64_t place = places_[static_cast<size_t>(part)];
      const kernels::Buffer& to = parts_[static_cast<size_t>(part)];
      const int64_t first = std::max(begin, place), last = std::min(end, place + to.num_bytes());
      if (first >= last) continue;
      device_.CopyToDevice(static_cast<std::byte*>(to.data()) + first - place,
                           bytes.data() + first - begin, last - first);
    }
  }
  std::vector<kernels::Buffer> Take() { return std::move(parts_); }

 private:
  kernels::Device& device_;
  const std::vector<int64_t> places_;  // ascending, the first 0
  std::vector<kernels::Buffer> parts_;
};

// Reads slab by slab into memory of the device.
absl::StatusOr<std::vector<kernels::Buffer>> ReadParts(const Restoring& restoring,
                                                       PipelineFigures* figures) {
  const PackedHeader& header = restoring.header;
  const Checkpoint file = Checkpoint::OfFile(restoring.path, {{.name = "body",
                                                               .dtype = FileDtype::kU8,
                                                               .shape = {header.body_bytes()},
                                                               .offset = header.body_begin(),
                                                               .num_bytes = header.body_bytes()}});
  const TensorInfo& body = file.tensors()[0];
  std::vector<ReadBatch> reads;
  for (int64_t begin = 0; begin < body.num_bytes; begin += kPackedSlabBytes) {
    const int64_t end = std::min(begin + kPackedSlabBytes, body.num_bytes);
    reads.emplace_back().ranges = {{.range = TensorRange::Rows(body, begin, end)}};
  }
  const ReadBatch* const first = reads.data();
  const auto bytes_of = [](const ReadBatch& batch) -> std::span<const std::byte> {
    return {batch.data(0), static_cast<size_t>(batch.ranges[0].range.num_bytes())};
  };
  const PipelineOptions options{
      .reader = restoring.options.reader,
      .num_slots = 16,
      .slot_bytes = MaxStagingBytes({.tensor = &body, .row_end = kPackedSlabBytes, .col_end = 1}),
      .check = [&](const ReadBatch& batch) {
        return CheckSlab(restoring, static_cast<size_t>(&batch - first), bytes_of(batch));
      }};
  PartFiller filler(restoring);
  SY_RETURN_IF_ERROR(RunPipeline(
      file, std::move(reads), options,
      [&](size_t, ReadBatch& batch) {
        filler.Fill(batch.ranges[0].range.row_begin, bytes_of(batch));
        return absl::OkStatus();
      },
      figures));
  return filler.Take();
}

// Parts where the file is mapped. UNIMPLEMENTED where that would be slow memory.
absl::StatusOr<std::vector<kernels::Buffer>> MapParts(const Restoring& restoring,
                                                      const PosixFile& opened) {
  const int64_t bytes = restoring.header.file_bytes();
  const int64_t body_begin = restoring.header.body_begin();
  SY_ASSIGN_OR_RETURN(const auto file, MappedFile::Map(restoring.path, opened.fd(), bytes));
  const ShardReaderOptions& reader = restoring.options.reader;
  BringInOptions options{.cancelled = reader.cancelled, .max_silence = reader.max_silence};
  const int64_t probe = std::min(kProbeBytes, bytes);
  SY_RETURN_IF_ERROR(file->BringIn(0, probe, options));
  if (2 * file->huge_bytes() < probe) {
    return absl::UnimplementedError("mapped files are in small pages here");
  }
  options.progress = [&](int64_t done, int64_t total) {
    if (reader.progress) reader.progress({.bytes_done = done, .bytes_total = total});
  };
  // Held against their digests as they come, which is faster than disks are.
  options.step_bytes = kPackedSlabBytes;
  options.is_whole = [digests = restoring.header.slab_digests, body_begin](
                         int64_t begin, std::span<const std::byte> slab) {
    return Crc32c(slab) == digests[static_cast<size_t>((begin - body_begin) / kPackedSlabBytes)];
  };
  SY_RETURN_IF_ERROR(file->BringIn(body_begin, bytes, options));
  std::vector<kernels::Buffer> parts;
  const std::vector<int64_t> places = restoring.header.PartPlaces();
  auto* const body = const_cast<std::byte*>(file->bytes().data()) + body_begin;
  for (size_t i = 0; i < places.size(); ++i) {
    parts.emplace_back(body + places[i], restoring.header.part_bytes[i],
                       [file](void*) {});  // the mapping goes with the last part
  }
  return parts;
}

}  // namespace

absl::StatusOr<PackedCache> PackedCache::Create(const PackedCacheOptions& options,
                                                const Checkpoint& checkpoint,
                                                const Subject& subject,
                                                const ShardReaderOptions& reader) {
  SY_ASSIGN_OR_RETURN(const std::string described, DescribeCheckpoint(checkpoint, reader));
  std::string forms;
  for (const std::string& form : subject.forms) forms += form + "\n";
  PackedCache cache;
  cache.key_ = fmt::format(
      "switchyard {}\npacked form {}\ncompute {}\nweights {}\n4-bit weights {}\n"
      "layout {}\n{}all weights {}, {}\n",
      kVersion, subject.packed_form, subject.compute, subject.weights, subject.int4, options.rank,
      described, subject.forms.size(), Sha256(forms));
  std::error_code ignored;
  std::filesystem::path folder = std::filesystem::canonical(checkpoint.folder(), ignored);
  if (folder.empty()) folder = checkpoint.folder();
  cache.path_ = std::filesystem::path(options.folder) /
                fmt::format("{}.{}.{}-{}.{}.packed", folder.filename().string(),
                            subject.packed_form, subject.compute, subject.weights, options.rank);
  cache.num_weights_ = subject.forms.size();
  cache.manifest_ = subject.manifest;
  return cache;
}

absl::StatusOr<PackedHeader> PackedCache::ReadHeader(const PosixFile& file) const {
  SY_ASSIGN_OR_RETURN(PackedHeader header, ReadPackedHeader(file));
  if (header.key != key_) {
    return absl::FailedPreconditionError(
        fmt::format("{}: is of another start: {}", path_, Difference(header.key, key_)));
  }
  if (header.part_bytes.size() != num_weights_) {
    return absl::InvalidArgumentError(fmt::format("{}: has {} weights, wanted are {}", path_,
                                                  header.part_bytes.size(), num_weights_));
  }
  if (manifest_.has_value() && header.verified_by != manifest_) {
    return absl::FailedPreconditionError(
        fmt::format("{}: its weights were not held against the checkpoint's manifest", path_));
  }
  return header;
}

absl::StatusOr<std::vector<kernels::Buffer>> PackedCache::Restore(kernels::Device& device,
                                                                  const RestoreOptions& options,
                                                                  PipelineFigures* figures) const {
  SY_ASSIGN_OR_RETURN(const PosixFile file, PosixFile::OpenForRead(path_));
  SY_ASSIGN_OR_RETURN(const PackedHeader header, ReadHeader(file));
  const Restoring restoring{.path = path_, .header = header, .device = device, .options = options};
  if (options.in_place && device.shares_host_memory()) {
    absl::StatusOr<std::vector<kernels::Buffer>> mapped = MapParts(restoring, file);
    if (!absl::IsUnimplemented(mapped.status())) {
      if (mapped.ok()) figures->bytes_read += header.file_bytes();
      return mapped;
    }
  }
  return ReadParts(restoring, figures);
}

absl::Status PackedCache::Keep(
    kernels::Device& device, std::span<const kernels::Buffer* const> weights,
    const std::function<absl::Status(int64_t bytes_done, int64_t bytes_total)>& progress) const {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
  if (error) {
    return absl::UnavailableError(
        fmt::format("{}: cannot make the folder: {}", path_, error.message()));
  }
  PackedHeader header{.key = key_, .verified_by = manifest_};
  for (const kernels::Buffer* weight : weights) header.part_bytes.push_back(weight->num_bytes());
  const int64_t total = header.file_bytes();
  SY_ASSIGN_OR_RETURN(PackedFileWriter writer, PackedFileWriter::Create(path_, std::move(header)));
  int64_t done = 0;
  for (const kernels::Buffer* weight : weights) {
    const auto* const from = static_cast<const std::byte*>(weight->data());
    SY_RETURN_IF_ERROR(writer.AddPart([&](int64_t begin, std::byte* to, int64_t count) {
      device.CopyToHost(to, from + begin, count);
    }));
    done += weight->num_bytes();
    SY_RETURN_IF_ERROR(progress(done, total));
  }
  return writer.Finish();
}

}  // namespace switchyard::worker
