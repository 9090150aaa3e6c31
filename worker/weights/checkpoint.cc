#include "worker/weights/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <utility>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "worker/weights/gguf_tensors.h"
#include "worker/weights/job_runner.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kMaxIndexBytes = 100'000'000;  // the 671 B parameter checkpoint's has 9 MB
constexpr int kHeaderThreads = 8;

// One line of the index: in which file a tensor is.
struct IndexEntry {
  std::string tensor;
  std::string file;
};

// The index may name files of its own folder only.
bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c == '/' || c == '\\' || c < 0x20; });
}

absl::StatusOr<std::vector<IndexEntry>> ParseIndex(std::string_view text) {
  SY_ASSIGN_OR_RETURN(const Json root, ParseJson(text));
  const auto weight_map = root.is_object() ? root.find("weight_map") : root.end();
  if (weight_map == root.end() || !weight_map->is_object() || weight_map->empty()) {
    return absl::InvalidArgumentError("has no weight_map of tensor names to file names");
  }
  std::vector<IndexEntry> entries;
  entries.reserve(weight_map->size());
  for (const auto& [tensor, file] : weight_map->items()) {
    if (!file.is_string() || !IsPlainFileName(file.get_ref<const std::string&>())) {
      return absl::InvalidArgumentError(fmt::format(
          "weight_map gives {} for tensor \"{}\", not the name of a file in this folder",
          file.is_string() ? file.dump() : file.type_name(), tensor));
    }
    entries.push_back({tensor, file.get<std::string>()});
  }
  return entries;
}

// The tensors of all `paths` with their `file` set, in no order.
absl::StatusOr<std::vector<TensorInfo>> ReadHeaders(std::span<const std::string> paths) {
  std::vector<std::vector<TensorInfo>> by_file(paths.size());
  SY_RETURN_IF_ERROR(
      RunJobs(int64_t(paths.size()), {.num_threads = kHeaderThreads},
              [&](int64_t job, int) -> absl::Status {
                SY_ASSIGN_OR_RETURN(const PosixFile file, PosixFile::OpenForRead(paths[job]));
                SY_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadSafetensorsHeader(file));
                by_file[job] = std::move(header.tensors);
                return absl::OkStatus();
              }));
  std::vector<TensorInfo> tensors;
  for (size_t file = 0; file < by_file.size(); ++file) {
    for (TensorInfo& tensor : by_file[file]) {
      tensor.file = int32_t(file);
      tensors.push_back(std::move(tensor));
    }
  }
  return tensors;
}

// Both lists ascend by name. Every tensor must be where the index says, and nothing else may be in
// the files.
absl::Status CheckAgreement(std::span<const IndexEntry> index, std::span<const TensorInfo> tensors,
                            std::span<const std::string> file_names) {
  size_t i = 0;
  for (const IndexEntry& entry : index) {
    if (i < tensors.size() && tensors[i].name < entry.tensor) break;
    const bool found = i < tensors.size() && tensors[i].name == entry.tensor;
    if (!found || file_names[tensors[i].file] != entry.file) {
      const std::string where =
          found ? fmt::format(", it is in {}", file_names[tensors[i].file]) : "";
      return absl::InvalidArgumentError(
          fmt::format("tensor \"{}\" is not in {}, the file that {} names{}", entry.tensor,
                      entry.file, kIndexFileName, where));
    }
    ++i;
  }
  if (i < tensors.size()) {
    return absl::InvalidArgumentError(fmt::format("tensor \"{}\" of {} is missing in {}",
                                                  tensors[i].name, file_names[tensors[i].file],
                                                  kIndexFileName));
  }
  return absl::OkStatus();
}

absl::Status CheckUnique(std::span<const TensorInfo> tensors,
                         std::span<const std::string> file_names) {
  const auto twin =
      std::adjacent_find(tensors.begin(), tensors.end(),
                         [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; });
  if (twin == tensors.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("tensor \"{}\" is both in {} and in {}", twin->name,
                                                file_names[twin->file],
                                                file_names[std::next(twin)->file]));
}

}  // namespace

absl::StatusOr<Checkpoint> Checkpoint::OpenGguf(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const GgufHeader header, ReadGguf(path));
  Checkpoint checkpoint;
  checkpoint.folder_ = path;
  checkpoint.files_ = header.files;
  auto tensors = GgufTensors(header);
  if (!tensors.ok()) return Annotate(tensors.status(), path);
  checkpoint.tensors_ = *std::move(tensors);
  std::ranges::sort(checkpoint.tensors_, {}, &TensorInfo::name);
  SY_RETURN_IF_ERROR(Annotate(CheckUnique(checkpoint.tensors_, checkpoint.files_), path));
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& folder) {
  if (IsGgufPath(folder)) return OpenGguf(folder);
  const std::filesystem::path base(folder);
  std::error_code ignored;
  if (!std::filesystem::is_directory(base, ignored)) {
    return absl::NotFoundError(fmt::format("{}: no such folder", folder));
  }
  const bool has_index = std::filesystem::exists(base / kIndexFileName, ignored);
  if (!has_index && !std::filesystem::exists(base / kSingleFileName, ignored)) {
    return absl::NotFoundError(
        fmt::format("{}: has neither {} nor {}", folder, kIndexFileName, kSingleFileName));
  }
  std::vector<IndexEntry> index;
  std::vector<std::string> file_names = {std::string(kSingleFileName)};
  if (has_index) {
    const std::string path = base / kIndexFileName;
    SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxIndexBytes));
    auto entries = ParseIndex(text);
    if (!entries.ok()) return Annotate(entries.status(), path);
    index = *std::move(entries);
    std::ranges::sort(index, {}, &IndexEntry::tensor);
    file_names.clear();
    std::ranges::transform(index, std::back_inserter(file_names), &IndexEntry::file);
    std::ranges::sort(file_names);
    file_names.erase(std::unique(file_names.begin(), file_names.end()), file_names.end());
  }

  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  for (const std::string& name : file_names) checkpoint.files_.push_back(base / name);
  SY_ASSIGN_OR_RETURN(checkpoint.tensors_, ReadHeaders(checkpoint.files_));
  std::ranges::stable_sort(checkpoint.tensors_, {}, &TensorInfo::name);
  absl::Status status = CheckUnique(checkpoint.tensors_, file_names);
  if (status.ok() && has_index) status = CheckAgreement(index, checkpoint.tensors_, file_names);
  if (!status.ok()) return Annotate(status, folder);
  return checkpoint;
}

Checkpoint Checkpoint::OfFile(const std::string& path, std::vector<TensorInfo> tensors) {
  Checkpoint checkpoint;
  checkpoint.folder_ = std::filesystem::path(path).parent_path();
  checkpoint.files_ = {path};
  checkpoint.tensors_ = std::move(tensors);
  return checkpoint;
}

const TensorInfo* Checkpoint::Find(std::string_view name) const {
  const auto it = std::ranges::lower_bound(
      tensors_, name, {}, [](const TensorInfo& tensor) { return std::string_view(tensor.name); });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

absl::StatusOr<const TensorInfo*> Checkpoint::Get(std::string_view name) const {
  const TensorInfo* tensor = Find(name);
  if (tensor == nullptr) {
    return absl::NotFoundError(fmt::format("{}: has no tensor \"{}\"", folder_, name));
  }
  return tensor;
}

int64_t Checkpoint::num_bytes() const {
  int64_t sum = 0;
  for (const TensorInfo& tensor : tensors_) sum += tensor.num_bytes;
  return sum;
}

}  // namespace switchyard::worker
