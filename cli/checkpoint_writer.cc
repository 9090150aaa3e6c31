#include "cli/checkpoint_writer.h"

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/units.h"
#include "worker/weights/checkpoint.h"

namespace switchyard::cli {
namespace {

namespace fs = std::filesystem;
using worker::SafetensorsWriter;
using worker::TensorSpec;

// Keeps a file's header within what the format allows, however small the tensors are.
constexpr size_t kMaxTensorsPerFile = 50'000;

constexpr int64_t kMaxTokenizerFileBytes = 256 * kMiB;

constexpr std::array<std::string_view, 11> kTokenizerFiles = {"tokenizer.json",
                                                              "tokenizer_config.json",
                                                              "special_tokens_map.json",
                                                              "added_tokens.json",
                                                              "vocab.json",
                                                              "merges.txt",
                                                              "tokenizer.model",
                                                              "tiktoken.model",
                                                              "chat_template.jinja",
                                                              "chat_template.json",
                                                              "generation_config.json"};

// "out/" and "out" are one folder, with the same neighbour "out.partial".
std::string WithoutTrailingSlash(const std::string& folder) {
  const fs::path path = fs::path(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

// The result takes the place of an empty folder, which a file system's root does not leave.
bool IsMountPoint(const fs::path& folder) {
  struct stat own, above;
  return stat(folder.c_str(), &own) == 0 && stat((folder / "..").c_str(), &above) == 0 &&
         own.st_dev != above.st_dev;
}

absl::Status CheckOutFolder(const std::string& folder) {
  std::error_code error;
  const fs::path name = fs::path(folder).filename();
  if (name.empty() || name == "." || name == "..") {
    return absl::InvalidArgumentError(
        fmt::format("the output folder \"{}\" has no name of its own; name a new one", folder));
  }
  if (IsMountPoint(folder)) {
    return absl::InvalidArgumentError(
        fmt::format("{}: is where a file system is mounted; name a new folder inside it", folder));
  }
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error) && !error)
    return absl::OkStatus();
  if (!fs::exists(fs::symlink_status(folder, error))) return absl::OkStatus();
  return absl::AlreadyExistsError(fmt::format(
      "{}: is there already and is not an empty folder; remove it or choose another", folder));
}

absl::Status MakePartialFolder(const std::string& folder) {
  std::error_code error;
  if (fs::path parent = fs::path(folder).parent_path(); !parent.empty()) {
    fs::create_directories(parent, error);
  }
  if (!error && fs::create_directory(folder, error)) return absl::OkStatus();
  if (error) {
    return absl::PermissionDeniedError(
        fmt::format("{}: cannot create: {}", folder, error.message()));
  }
  return absl::AlreadyExistsError(fmt::format(
      "{}: is there already: another run writes it, or one was killed; remove it if none runs",
      folder));
}

absl::Status CheckDiskSpace(const std::string& folder, int64_t num_bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= uintmax_t(num_bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("{}: the checkpoint takes {}, the disk has {} free", folder,
                  FormatBytes(num_bytes), FormatBytes(int64_t(space.available))));
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::string out_folder, worker::DiskSpace space,
                                   std::vector<TensorSpec> tensors)
    : out_folder_(std::move(out_folder)),
      partial_folder_(out_folder_ + ".partial"),
      space_(space),
      tensors_(std::move(tensors)) {
  for (const TensorSpec& tensor : tensors_) num_bytes_ += NumBytes(tensor);
}

absl::StatusOr<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(
    const CheckpointWriterOptions& options, std::vector<TensorSpec> tensors) {
  if (options.shard_bytes < 1) {
    return absl::InvalidArgumentError(
        fmt::format("shard size is {} bytes, must be at least 1", options.shard_bytes));
  }
  const std::string out_folder = WithoutTrailingSlash(options.out_folder);
  SY_RETURN_IF_ERROR(CheckOutFolder(out_folder));
  // The constructor is private, so std::make_unique cannot call it.
  std::unique_ptr<CheckpointWriter> writer(
      new CheckpointWriter(out_folder, options.space, std::move(tensors)));
  SY_RETURN_IF_ERROR(MakePartialFolder(writer->partial_folder_));
  writer->owns_partial_folder_ = true;
  if (options.space == worker::DiskSpace::kReserved) {
    SY_RETURN_IF_ERROR(CheckDiskSpace(writer->partial_folder_, writer->num_bytes_));
  }
  writer->PlanShards(options.shard_bytes);
  return writer;
}

CheckpointWriter::~CheckpointWriter() {
  if (!owns_partial_folder_) return;
  shards_.clear();  // open writers remove their files first
  std::error_code ignored;
  fs::remove_all(partial_folder_, ignored);
}

void CheckpointWriter::PlanShards(int64_t shard_bytes) {
  int64_t filled = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const int64_t num_bytes = NumBytes(tensors_[i]);
    if (shards_.empty() || filled + num_bytes > shard_bytes ||
        i - shards_.back().first_tensor >= kMaxTensorsPerFile) {
      shards_.push_back({.file_name = "", .first_tensor = i, .last_tensor = i, .writer = nullptr});
      filled = 0;
    }
    shards_.back().last_tensor = i;
    filled += num_bytes;
    shard_of_tensor_.push_back(shards_.size() - 1);
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].file_name = fmt::format("model-{:05}-of-{:06}.safetensors", i + 1, shards_.size());
  }
}

absl::StatusOr<std::shared_ptr<SafetensorsWriter>> CheckpointWriter::OpenShard(Shard& shard) {
  std::lock_guard lock(mutex_);
  if (shard.writer == nullptr) {
    SY_CHECK(!shard.finished) << shard.file_name;
    SY_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                        SafetensorsWriter::Create(fs::path(partial_folder_) / shard.file_name,
                                                  {tensors_.begin() + shard.first_tensor,
                                                   tensors_.begin() + shard.last_tensor + 1},
                                                  space_));
    shard.writer = std::make_shared<SafetensorsWriter>(std::move(writer));
  }
  return shard.writer;
}

absl::Status CheckpointWriter::Write(size_t tensor, int64_t offset,
                                     std::span<const std::byte> bytes) {
  if (bytes.empty()) return absl::OkStatus();
  SY_CHECK_LT(tensor, tensors_.size());
  Shard& shard = shards_[shard_of_tensor_[tensor]];
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<SafetensorsWriter> writer, OpenShard(shard));
  SY_RETURN_IF_ERROR(writer->Write(tensor - shard.first_tensor, offset, bytes));
  return FinishIfComplete(shard, *writer);
}

absl::Status CheckpointWriter::LeaveZeros(size_t tensor) {
  SY_CHECK_LT(tensor, tensors_.size());
  if (NumBytes(tensors_[tensor]) == 0) return absl::OkStatus();
  Shard& shard = shards_[shard_of_tensor_[tensor]];
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<SafetensorsWriter> writer, OpenShard(shard));
  writer->LeaveZeros(tensor - shard.first_tensor, NumBytes(tensors_[tensor]));
  return FinishIfComplete(shard, *writer);
}

absl::Status CheckpointWriter::FinishIfComplete(Shard& shard, const SafetensorsWriter& writer) {
  if (!writer.complete()) return absl::OkStatus();
  std::lock_guard lock(mutex_);
  return FinishShard(shard);
}

absl::Status CheckpointWriter::FinishShard(Shard& shard) {
  if (shard.finished) return absl::OkStatus();
  SY_RETURN_IF_ERROR(shard.writer->Finish());
  shard.writer.reset();
  shard.finished = true;
  return absl::OkStatus();
}

absl::Status CheckpointWriter::AddFile(std::string_view name, std::string_view contents) {
  return WriteFile(fs::path(partial_folder_) / name, contents);
}

absl::Status CheckpointWriter::CopyTokenizerFiles(const std::string& folder) {
  for (std::string_view name : kTokenizerFiles) {
    const fs::path from = fs::path(folder) / name;
    std::error_code error;
    if (!fs::is_regular_file(from, error)) continue;
    SY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(from, kMaxTokenizerFileBytes));
    SY_RETURN_IF_ERROR(AddFile(name, bytes));
  }
  return absl::OkStatus();
}

std::string CheckpointWriter::IndexJson() const {
  Json weight_map = Json::object();
  auto& members = weight_map.get_ref<Json::object_t&>();
  members.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    // The names differ: appending spares the search for a doubled key.
    static_cast<Json::object_t::Container&>(members).emplace_back(
        tensors_[i].name, shards_[shard_of_tensor_[i]].file_name);
  }
  return Json({{"metadata", {{"total_size", num_bytes_}}}, {"weight_map", std::move(weight_map)}})
             .dump(2) +
         "\n";
}

absl::Status CheckpointWriter::Finish() {
  for (Shard& shard : shards_) {
    if (shard.finished) continue;
    // Only a file whose tensors have no bytes is still waiting.
    SY_RETURN_IF_ERROR(OpenShard(shard).status());
    std::lock_guard lock(mutex_);
    SY_RETURN_IF_ERROR(FinishShard(shard));
  }
  SY_RETURN_IF_ERROR(AddFile(worker::kIndexFileName, IndexJson()));
  std::error_code error;
  fs::rename(partial_folder_, out_folder_, error);
  if (error) {
    return absl::UnavailableError(
        fmt::format("{}: cannot rename to {}: {}", partial_folder_, out_folder_, error.message()));
  }
  owns_partial_folder_ = false;
  return absl::OkStatus();
}

}  // namespace switchyard::cli
