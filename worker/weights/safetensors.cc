#include "worker/weights/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"

namespace switchyard::worker {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are stored little endian");

struct DtypeRow {
  std::string_view name;
  int64_t num_bytes;
};

// In the order of FileDtype.
constexpr std::array<DtypeRow, 16> kDtypes = {{
    {"BOOL", 1},
    {"U8", 1},
    {"I8", 1},
    {"F8_E4M3", 1},
    {"F8_E5M2", 1},
    {"F8_E8M0", 1},
    {"I16", 2},
    {"U16", 2},
    {"F16", 2},
    {"BF16", 2},
    {"I32", 4},
    {"U32", 4},
    {"F32", 4},
    {"I64", 8},
    {"U64", 8},
    {"F64", 8},
}};

constexpr int64_t kLengthBytes = 8;
constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kMaxShownBytes = 40;
constexpr int64_t kMaxTensorBytes = int64_t{1} << 62;
constexpr int kHeaderJsonDepth = 4;  // header, tensor, list, and one that only a wrong file has

// Nothing if the shape is out of bounds. A dimension of 0 counts as 1 in that, so that whoever
// multiplies some of the dimensions is safe.
std::optional<int64_t> ShapeBytes(const TensorShape& shape, FileDtype dtype) {
  int64_t num_bytes = FileDtypeBytes(dtype);
  bool empty = false;
  for (int64_t dim : shape) {
    if (dim < 0) return std::nullopt;
    empty |= dim == 0;
    if (__builtin_mul_overflow(num_bytes, std::max<int64_t>(dim, 1), &num_bytes) ||
        num_bytes > kMaxTensorBytes) {
      return std::nullopt;
    }
  }
  return empty ? 0 : num_bytes;
}

// A JSON number that is a size: whole, not negative, within int64.
std::optional<int64_t> SizeOf(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t number = value.get<uint64_t>();
  if (number > uint64_t(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return int64_t(number);
}

// A list of at most `max_size` sizes.
std::optional<std::vector<int64_t>> SizesOf(const Json& value, size_t max_size) {
  if (!value.is_array() || value.size() > max_size) return std::nullopt;
  std::vector<int64_t> sizes;
  for (const Json& element : value) {
    const std::optional<int64_t> size = SizeOf(element);
    if (!size) return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

absl::Status CheckName(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        fmt::format("a tensor's name has {} bytes, not 1 to {}", name.size(), kMaxNameBytes));
  }
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20; })) {
    return absl::InvalidArgumentError("a tensor's name has a control character");
  }
  return absl::OkStatus();
}

// One member of the header: {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}. Offsets
// count from the data's beginning, `data_begin` in the file.
absl::StatusOr<TensorInfo> ParseTensor(const Json& entry, int64_t data_begin, int64_t data_bytes) {
  const auto invalid = [](std::string message) { return absl::InvalidArgumentError(message); };
  if (!entry.is_object()) return invalid("is not an object");
  TensorInfo tensor;
  std::optional<std::vector<int64_t>> offsets;
  bool has_dtype = false, has_shape = false;
  for (const auto& [key, value] : entry.items()) {
    if (key == "dtype") {
      const std::optional<FileDtype> dtype =
          value.is_string() ? FileDtypeOf(value.get_ref<const std::string&>()) : std::nullopt;
      if (!dtype) {
        return invalid(fmt::format("dtype {} is not one of those that Switchyard reads",
                                   value.dump().substr(0, kMaxShownBytes)));
      }
      tensor.dtype = *dtype;
      has_dtype = true;
    } else if (key == "shape") {
      std::optional<TensorShape> shape = SizesOf(value, kMaxTensorRank);
      if (!shape)
        return invalid(fmt::format("shape is not a list of up to {} sizes", kMaxTensorRank));
      tensor.shape = *std::move(shape);
      has_shape = true;
    } else if (key == "data_offsets") {
      offsets = SizesOf(value, 2);
      if (!offsets || offsets->size() != 2) return invalid("data_offsets are not two sizes");
    } else {
      return invalid("has a field that is not dtype, shape or data_offsets");
    }
  }
  if (!has_dtype || !has_shape || !offsets) return invalid("lacks dtype, shape or data_offsets");
  const int64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end) return invalid(fmt::format("data_offsets [{}, {}] run backwards", begin, end));
  if (end > data_bytes) {
    return invalid(fmt::format("ends at byte {} of the data, but the file has {}: it is truncated",
                               end, data_bytes));
  }
  const std::optional<int64_t> num_bytes = ShapeBytes(tensor.shape, tensor.dtype);
  if (!num_bytes) return invalid(fmt::format("shape {} overflows", ShapeString(tensor.shape)));
  if (*num_bytes != end - begin) {
    return invalid(fmt::format("{} {} takes {} bytes, data_offsets give {}",
                               FileDtypeName(tensor.dtype), ShapeString(tensor.shape), *num_bytes,
                               end - begin));
  }
  tensor.offset = data_begin + begin;
  tensor.num_bytes = *num_bytes;
  return tensor;
}

absl::Status ParseMetadata(const Json& entry, SafetensorsHeader& header) {
  const absl::Status bad = absl::InvalidArgumentError("__metadata__ does not map names to strings");
  if (!entry.is_object()) return bad;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) return bad;
    header.metadata.emplace_back(key, value.get<std::string>());
  }
  return absl::OkStatus();
}

// The format wants the tensors to cover the data: each begins where the one before it ends.
absl::Status CheckCover(std::span<const TensorInfo> tensors, int64_t data_begin,
                        int64_t file_bytes) {
  int64_t covered = data_begin;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset != covered) {
      return absl::InvalidArgumentError(fmt::format(
          "tensor \"{}\" {} byte {} of the data", tensor.name,
          tensor.offset < covered ? "overlaps the one before it at" : "leaves a gap before",
          tensor.offset - data_begin));
    }
    covered += tensor.num_bytes;
  }
  if (covered != file_bytes) {
    return absl::InvalidArgumentError(
        fmt::format("{} bytes after the last tensor belong to none", file_bytes - covered));
  }
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsHeader> ParseHeader(std::string_view json, int64_t file_bytes) {
  const int64_t data_begin = kLengthBytes + int64_t(json.size());
  SY_ASSIGN_OR_RETURN(const Json root, ParseJson(json, kHeaderJsonDepth));
  if (!root.is_object()) return absl::InvalidArgumentError("the header is not a JSON object");
  SafetensorsHeader header;
  for (const auto& [name, entry] : root.items()) {
    if (name == "__metadata__") {
      SY_RETURN_IF_ERROR(ParseMetadata(entry, header));
      continue;
    }
    SY_RETURN_IF_ERROR(CheckName(name));
    auto tensor = ParseTensor(entry, data_begin, file_bytes - data_begin);
    if (!tensor.ok()) return Annotate(tensor.status(), fmt::format("tensor \"{}\"", name));
    tensor->name = name;
    header.tensors.push_back(*std::move(tensor));
  }
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) {
              // Tensors without bytes stand before the one that begins at the same place.
              return std::pair(a.offset, a.num_bytes) < std::pair(b.offset, b.num_bytes);
            });
  SY_RETURN_IF_ERROR(CheckCover(header.tensors, data_begin, file_bytes));
  return header;
}

// The numbers of `tensors` in the order in which they lie in a file.
std::vector<size_t> FileOrder(std::span<const TensorSpec> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int64_t bytes_a = FileDtypeBytes(tensors[a].dtype);
    const int64_t bytes_b = FileDtypeBytes(tensors[b].dtype);
    return bytes_a != bytes_b ? bytes_a > bytes_b : tensors[a].name < tensors[b].name;
  });
  return order;
}

// Length, JSON and padding, so that the data begins at a multiple of 8.
std::string HeaderBytes(std::span<const TensorSpec> tensors, std::span<const size_t> order) {
  std::string json = R"({"__metadata__":{"format":"pt"})";
  int64_t offset = 0;
  for (const size_t i : order) {
    const TensorSpec& tensor = tensors[i];
    const int64_t end = offset + NumBytes(tensor);
    json += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        Json(tensor.name).dump(), FileDtypeName(tensor.dtype),
                        fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  json += '}';
  json.append((kLengthBytes - json.size() % kLengthBytes) % kLengthBytes, ' ');
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), kLengthBytes) + json;
}

}  // namespace

std::string_view FileDtypeName(FileDtype dtype) { return kDtypes[size_t(dtype)].name; }

int64_t FileDtypeBytes(FileDtype dtype) { return kDtypes[size_t(dtype)].num_bytes; }

std::optional<FileDtype> FileDtypeOf(std::string_view name) {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i].name == name) return FileDtype(i);
  }
  return std::nullopt;
}

std::string ShapeString(const TensorShape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

int64_t NumBytes(const TensorSpec& spec) {
  const std::optional<int64_t> num_bytes = ShapeBytes(spec.shape, spec.dtype);
  SY_CHECK(num_bytes.has_value()) << spec.name << ' ' << ShapeString(spec.shape);
  return *num_bytes;
}

absl::StatusOr<int64_t> ParseSafetensorsHeaderLength(std::string_view path,
                                                     std::span<const std::byte> first_bytes,
                                                     int64_t file_bytes) {
  if (first_bytes.size() < size_t(kLengthBytes) || file_bytes < kLengthBytes) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} bytes are no safetensors file", path, file_bytes));
  }
  uint64_t length;
  std::memcpy(&length, first_bytes.data(), sizeof(length));
  if (length > uint64_t(kMaxSafetensorsHeaderBytes) ||
      int64_t(length) > file_bytes - kLengthBytes) {
    return absl::InvalidArgumentError(
        fmt::format("{}: the header's length, {} bytes, is over {}: the file is truncated or no "
                    "safetensors file",
                    path, length, std::min(kMaxSafetensorsHeaderBytes, file_bytes - kLengthBytes)));
  }
  return int64_t(length);
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view path,
                                                         std::string_view json,
                                                         int64_t file_bytes) {
  SY_CHECK_LE(int64_t(json.size()) + kLengthBytes, file_bytes);
  auto header = ParseHeader(json, file_bytes);
  if (!header.ok()) return Annotate(header.status(), path);
  return header;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const PosixFile& file) {
  std::array<std::byte, kLengthBytes> first_bytes;
  if (file.num_bytes() >= kLengthBytes) SY_RETURN_IF_ERROR(file.ReadAt(0, std::span(first_bytes)));
  SY_ASSIGN_OR_RETURN(const int64_t length,
                      ParseSafetensorsHeaderLength(file.path(), first_bytes, file.num_bytes()));
  std::string json(length, '\0');
  SY_RETURN_IF_ERROR(file.ReadAt(kLengthBytes, std::as_writable_bytes(std::span(json))));
  return ParseSafetensorsHeader(file.path(), json, file.num_bytes());
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(std::string path,
                                                            std::vector<TensorSpec> tensors,
                                                            DiskSpace space) {
  const std::vector<size_t> order = FileOrder(tensors);
  const std::string header = HeaderBytes(tensors, order);
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(fmt::format("{}: is a folder, not a file to write", path));
  }
  absl::StatusOr<PosixFile> created = PosixFile::Create(path + ".partial");
  if (absl::IsAlreadyExists(created.status())) {
    return absl::AlreadyExistsError(fmt::format(
        "{}.partial: is there already: another run writes it, or one was killed; remove it if none "
        "runs",
        path));
  }
  SY_ASSIGN_OR_RETURN(PosixFile file, std::move(created));
  std::vector<Place> places(tensors.size());
  int64_t end = int64_t(header.size());
  for (const size_t i : order) {
    places[i] = {end, end + NumBytes(tensors[i])};
    end = places[i].end;
  }
  // From here on the writer's destructor removes the file.
  SafetensorsWriter writer(std::move(path), std::move(file), std::move(places));
  writer.num_bytes_left_ = end - int64_t(header.size());
  SY_RETURN_IF_ERROR(space == DiskSpace::kSparse ? writer.file_->Resize(end)
                                                 : writer.file_->Reserve(end));
  SY_RETURN_IF_ERROR(writer.file_->WriteAt(0, std::as_bytes(std::span(header))));
  return writer;
}

SafetensorsWriter::SafetensorsWriter(std::string path, PosixFile file, std::vector<Place> places)
    : path_(std::move(path)),
      file_(std::move(file)),
      places_(std::move(places)),
      num_bytes_left_(0) {}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, std::nullopt)),
      places_(std::move(other.places_)),
      num_bytes_left_(other.num_bytes_left_.load()) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (file_) std::remove(file_->path().c_str());
}

absl::Status SafetensorsWriter::Write(size_t tensor, int64_t offset,
                                      std::span<const std::byte> bytes) {
  SY_CHECK_LT(tensor, places_.size());
  const Place& place = places_[tensor];
  SY_CHECK(offset >= 0 && offset + int64_t(bytes.size()) <= place.end - place.begin) << path_;
  SY_RETURN_IF_ERROR(file_->WriteAt(place.begin + offset, bytes));
  num_bytes_left_.fetch_sub(int64_t(bytes.size()));
  return absl::OkStatus();
}

void SafetensorsWriter::LeaveZeros(size_t tensor, int64_t num_bytes) {
  SY_CHECK_LT(tensor, places_.size());
  SY_CHECK(num_bytes >= 0 && num_bytes <= places_[tensor].end - places_[tensor].begin) << path_;
  num_bytes_left_.fetch_sub(num_bytes);
}

absl::Status SafetensorsWriter::Finish() {
  SY_CHECK(complete()) << path_ << ": " << num_bytes_left_.load() << " bytes were not written";
  const std::string partial = file_->path();
  absl::Status status = file_->Close();
  if (status.ok() && std::rename(partial.c_str(), path_.c_str()) != 0) {
    status = ErrnoStatus(partial, fmt::format("rename to {}", path_));
  }
  if (status.ok()) file_.reset();
  return status;
}

}  // namespace switchyard::worker
