// GGUF files on a disk, one or the parts of one.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/gguf.h"

namespace switchyard {
namespace {

constexpr int64_t kMaxParts = 9999;

absl::StatusOr<GgufHeader> ReadOneGguf(const std::string& path) {
  std::error_code error;
  const auto file_bytes = static_cast<int64_t>(std::filesystem::file_size(path, error));
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return absl::NotFoundError(fmt::format("{}: cannot be opened", path));
  std::vector<std::byte> head;
  for (int64_t most = 1 << 20;; most *= 4) {
    const int64_t want = std::min({most, file_bytes, kMaxGgufHeaderBytes});
    const int64_t have = std::ssize(head);
    head.resize(static_cast<size_t>(want));
    file.read(reinterpret_cast<char*>(head.data() + have), want - have);
    if (file.gcount() != want - have) {
      return absl::DataLossError(fmt::format("{}: ended while it was read", path));
    }
    absl::StatusOr<GgufHeader> header = ParseGguf(path, head, file_bytes);
    if (!absl::IsOutOfRange(header.status())) return header;
    if (want == kMaxGgufHeaderBytes) {
      return absl::InvalidArgumentError(
          fmt::format("{}: its header is longer than {} bytes", path, kMaxGgufHeaderBytes));
    }
  }
}

// A number of the metadata; `missing` where there is none.
absl::StatusOr<int64_t> Number(const std::string& path, const Json& metadata, const char* key,
                               int64_t missing, int64_t most) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return missing;
  const int64_t number = found->is_number_integer() ? found->get<int64_t>() : -1;
  if (number >= 0 && number <= most) return number;
  return absl::InvalidArgumentError(
      fmt::format("{}: {} is {}, not a number up to {}", path, key, found->dump(), most));
}

constexpr const char kPart[] = "split.no", kParts[] = "split.count",
                     kAllTensors[] = "split.tensors.count";

// Reads part `part` of `count` and adds its tensors.
absl::Status AddPart(const std::string& path, int64_t part, int64_t count, GgufHeader* whole) {
  SY_ASSIGN_OR_RETURN(GgufHeader header, ReadOneGguf(path));
  SY_ASSIGN_OR_RETURN(const int64_t number, Number(path, header.metadata, kPart, -1, kMaxParts));
  SY_ASSIGN_OR_RETURN(const int64_t of, Number(path, header.metadata, kParts, -1, kMaxParts));
  if (number != part || of != count) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} and {} are {} and {}, expected {} and {}: it is no part of {}", path,
                    kPart, kParts, number, of, part, count, whole->files[0]));
  }
  for (GgufTensor& tensor : header.tensors) {
    tensor.file = static_cast<int32_t>(part);
    whole->tensors.push_back(std::move(tensor));
  }
  whole->files.push_back(path);
  return absl::OkStatus();
}

absl::Status CheckTensors(const GgufHeader& whole) {
  const std::string& path = whole.files[0];
  const int64_t have = std::ssize(whole.tensors);
  SY_ASSIGN_OR_RETURN(const int64_t expected,
                      Number(path, whole.metadata, kAllTensors, have, int64_t{1} << 40));
  if (expected != have) {
    return absl::InvalidArgumentError(fmt::format("{}: its {} parts have {} tensors, {} says {}",
                                                  path, whole.files.size(), have, kAllTensors,
                                                  expected));
  }
  std::set<std::string_view> names;
  for (const GgufTensor& tensor : whole.tensors) {
    if (names.insert(tensor.name).second) continue;
    return absl::InvalidArgumentError(
        fmt::format("{}: tensor \"{}\" is in two parts", path, tensor.name));
  }
  return absl::OkStatus();
}

std::string PartEnding(int64_t part, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", part + 1, count);
}

}  // namespace

std::string GgufModelName(std::string_view path) {
  std::string name = std::filesystem::path(path).stem().string();
  constexpr std::string_view kOf = "-00001-of-", kDigits = "0123456789";
  const size_t at = name.rfind(kOf);
  const bool split = at != name.npos && name.size() == at + kOf.size() + 5 &&
                     name.find_first_not_of(kDigits, at + kOf.size()) == name.npos;
  return split ? name.substr(0, at) : name;
}

absl::StatusOr<GgufHeader> ReadGguf(const std::string& path) {
  SY_ASSIGN_OR_RETURN(GgufHeader header, ReadOneGguf(path));
  header.files = {path};
  SY_ASSIGN_OR_RETURN(const int64_t count, Number(path, header.metadata, kParts, 1, kMaxParts));
  if (count <= 1) return header;
  SY_ASSIGN_OR_RETURN(const int64_t part, Number(path, header.metadata, kPart, 0, kMaxParts));
  const std::string ending = PartEnding(0, count);
  if (part != 0 || !path.ends_with(ending)) {
    return absl::InvalidArgumentError(
        fmt::format("{}: is part {} of {} ({}): give the first, under its name NAME{}", path,
                    part + 1, count, kParts, ending));
  }
  const std::string before = path.substr(0, path.size() - ending.size());
  for (int64_t i = 1; i < count; ++i) {
    SY_RETURN_IF_ERROR(AddPart(before + PartEnding(i, count), i, count, &header));
  }
  SY_RETURN_IF_ERROR(CheckTensors(header));
  return header;
}

absl::StatusOr<std::vector<float>> ReadGgufFloats(const GgufHeader& header,
                                                  const GgufTensor& tensor, int64_t most) {
  const std::string& path = header.files[static_cast<size_t>(tensor.file)];
  const int64_t count = tensor.num_bytes / int64_t{sizeof(float)};
  if (tensor.type->name != "F32" || count > most) {
    return absl::InvalidArgumentError(
        fmt::format("{}: tensor \"{}\" has {} bytes of {}: expected at most {} elements of F32",
                    path, tensor.name, tensor.num_bytes, tensor.type->name, most));
  }
  std::vector<float> values(static_cast<size_t>(count));
  std::ifstream file(path, std::ios::binary);
  file.seekg(tensor.offset);
  file.read(reinterpret_cast<char*>(values.data()), tensor.num_bytes);
  if (file.gcount() != tensor.num_bytes) {
    return absl::DataLossError(
        fmt::format("{}: ended in tensor \"{}\" while it was read", path, tensor.name));
  }
  return values;
}

bool IsGgufPath(std::string_view path) { return path.ends_with(".gguf"); }

}  // namespace switchyard
