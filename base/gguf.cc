#include "base/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

namespace switchyard {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr int64_t kMaxKeys = 1 << 16;
constexpr int64_t kMaxTensors = 1 << 20;
constexpr int64_t kMaxElements = 1 << 24;  // of one array of metadata
constexpr int64_t kMaxNameBytes = 1 << 16;
constexpr uint32_t kMaxDims = 4;
constexpr int64_t kMaxAlignment = 1 << 20;
constexpr int64_t kMaxTensorBytes = int64_t{1} << 60;

constexpr GgufType kTypes[] = {
    {0, "F32", 1, 4},       {1, "F16", 1, 2},       {2, "Q4_0", 32, 18},    {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},    {7, "Q5_1", 32, 24},    {8, "Q8_0", 32, 34},    {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110}, {12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176}, {14, "Q6_K", 256, 210},
    {30, "BF16", 1, 2},     {39, "MXFP4", 32, 17},
};

// Types of metadata.
enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

// Bytes of the character at the head of `text`; 0 if they are no UTF-8.
size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // What is longer than it must be, surrogates, and what lies behind Unicode's end.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

// Reads one after the other; the first fault stays.
class Cursor {
 public:
  Cursor(std::span<const std::byte> head, int64_t file_bytes)
      : head_(head), file_bytes_(file_bytes) {}

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }
  int64_t position() const { return position_; }
  void Fail(std::string fault) {
    if (ok()) status_ = absl::InvalidArgumentError(std::move(fault));
  }

  template <typename T>
  T Read() {
    T value{};
    if (const std::byte* const from = Take(sizeof(T)); from != nullptr) {
      std::memcpy(&value, from, sizeof(T));
    }
    return value;
  }

  std::string String(int64_t most) {
    const auto length = Count(most, 1, "a text");
    const std::byte* const from = Take(length);
    if (from == nullptr) return "";
    std::string text(reinterpret_cast<const char*>(from), static_cast<size_t>(length));
    if (!IsUtf8(text)) Fail(fmt::format("the text before byte {} is not UTF-8", position_));
    return ok() ? text : "";
  }

  // A count of things of at least `each` bytes, which the file must have room for.
  int64_t Count(int64_t most, int64_t each, std::string_view what) {
    const auto count = Read<uint64_t>();
    const auto room = static_cast<uint64_t>((file_bytes_ - position_) / each);
    if (ok() && (count > static_cast<uint64_t>(most) || count > room)) {
      Fail(fmt::format("{} of length {} at byte {}: the file has room for {}, the limit is {}",
                       what, count, position_, room, most));
    }
    return ok() ? static_cast<int64_t>(count) : 0;
  }

 private:
  const std::byte* Take(int64_t count) {
    if (!ok()) return nullptr;
    if (count > file_bytes_ - position_) {
      Fail(fmt::format("ends in its header: byte {} of {}", position_, file_bytes_));
      return nullptr;
    }
    if (count > std::ssize(head_) - position_) {
      status_ = absl::OutOfRangeError("the header is longer");
      return nullptr;
    }
    const std::byte* const from = head_.data() + position_;
    position_ += count;
    return from;
  }

  const std::span<const std::byte> head_;
  const int64_t file_bytes_;
  int64_t position_ = 0;
  absl::Status status_;
};

Json ReadScalar(Cursor& in, ValueType type) {
  switch (type) {
    case ValueType::kU8:
      return in.Read<uint8_t>();
    case ValueType::kI8:
      return in.Read<int8_t>();
    case ValueType::kU16:
      return in.Read<uint16_t>();
    case ValueType::kI16:
      return in.Read<int16_t>();
    case ValueType::kU32:
      return in.Read<uint32_t>();
    case ValueType::kI32:
      return in.Read<int32_t>();
    case ValueType::kF32:
      return in.Read<float>();
    case ValueType::kBool:
      return in.Read<uint8_t>() != 0;
    case ValueType::kString:
      return in.String(kMaxGgufHeaderBytes);
    case ValueType::kU64:
      return in.Read<uint64_t>();
    case ValueType::kI64:
      return in.Read<int64_t>();
    case ValueType::kF64:
      return in.Read<double>();
    default:
      in.Fail(fmt::format("type {} of metadata is not known", static_cast<uint32_t>(type)));
      return nullptr;
  }
}

Json ReadValue(Cursor& in) {
  const auto type = static_cast<ValueType>(in.Read<uint32_t>());
  if (type != ValueType::kArray) return ReadScalar(in, type);
  const auto element = static_cast<ValueType>(in.Read<uint32_t>());
  if (element == ValueType::kArray) {
    in.Fail("an array of arrays is not known");
    return nullptr;
  }
  const int64_t count = in.Count(kMaxElements, element == ValueType::kString ? 8 : 1, "an array");
  Json array = Json::array();
  for (int64_t i = 0; i < count && in.ok(); ++i) array.push_back(ReadScalar(in, element));
  return array;
}

Json ReadMetadata(Cursor& in, int64_t count) {
  Json::object_t metadata;
  std::set<std::string> keys;
  for (int64_t i = 0; i < count && in.ok(); ++i) {
    std::string key = in.String(kMaxNameBytes);
    if (!keys.insert(key).second) in.Fail(fmt::format("key \"{}\" is there twice", key));
    Json value = ReadValue(in);
    if (in.ok()) metadata.emplace_back(std::move(key), std::move(value));
  }
  return Json(std::move(metadata));
}

// Bytes of the tensor; a fault where its shape cannot be.
int64_t SizeOf(Cursor& in, const GgufTensor& tensor) {
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % tensor.type->block_elements != 0) {
    in.Fail(fmt::format("tensor \"{}\" has rows of {} elements: {} needs multiples of {}",
                        tensor.name, row, tensor.type->name, tensor.type->block_elements));
  }
  int64_t blocks = row / tensor.type->block_elements;
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    if (__builtin_mul_overflow(blocks, tensor.shape[i], &blocks)) blocks = kMaxTensorBytes;
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(blocks, tensor.type->block_bytes, &bytes) || bytes > kMaxTensorBytes) {
    in.Fail(fmt::format("tensor \"{}\" is larger than any file", tensor.name));
  }
  return in.ok() ? bytes : 0;
}

GgufTensor ReadTensor(Cursor& in, absl::Status* unknown) {
  GgufTensor tensor{.name = in.String(kMaxNameBytes)};
  const auto dims = in.Read<uint32_t>();
  if (in.ok() && dims > kMaxDims) {
    in.Fail(fmt::format("tensor \"{}\" has {} dimensions, the limit is {}", tensor.name, dims,
                        kMaxDims));
  }
  for (uint32_t i = 0; i < dims && in.ok(); ++i) {
    const auto dim = in.Read<uint64_t>();
    if (in.ok() && (dim == 0 || dim > static_cast<uint64_t>(kMaxTensorBytes))) {
      in.Fail(fmt::format("tensor \"{}\" has a dimension of {}", tensor.name, dim));
    }
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(dim));
  }
  const auto type = in.Read<uint32_t>();
  const auto offset = in.Read<uint64_t>();
  if (!in.ok()) return tensor;
  tensor.type = FindGgufType(type);
  if (tensor.type == nullptr) {
    unknown->Update(absl::UnimplementedError(
        fmt::format("tensor \"{}\" has type {}, which is not known", tensor.name, type)));
    return tensor;
  }
  if (offset > static_cast<uint64_t>(kMaxTensorBytes)) {
    in.Fail(fmt::format("tensor \"{}\" begins at byte {}", tensor.name, offset));
  }
  tensor.offset = static_cast<int64_t>(offset);
  tensor.num_bytes = SizeOf(in, tensor);
  return tensor;
}

int64_t AlignmentOf(Cursor& in, const Json& metadata) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return 32;
  const bool number = found->is_number_unsigned();
  const auto alignment = number ? found->get<uint64_t>() : 0;
  if (!std::has_single_bit(alignment) || alignment > static_cast<uint64_t>(kMaxAlignment)) {
    in.Fail(fmt::format("general.alignment is no power of two up to {}", kMaxAlignment));
    return 1;
  }
  return static_cast<int64_t>(alignment);
}

// Tensors lie behind the header, one behind the other or with gaps, none over another.
void PlaceTensors(Cursor& in, const Json& metadata, int64_t file_bytes,
                  std::vector<GgufTensor>& tensors) {
  const int64_t alignment = AlignmentOf(in, metadata);
  const int64_t data = (in.position() + alignment - 1) / alignment * alignment;
  std::vector<const GgufTensor*> order;
  for (GgufTensor& tensor : tensors) {
    if (tensor.offset % alignment != 0) {
      in.Fail(fmt::format("tensor \"{}\" begins at byte {}, not a multiple of {}", tensor.name,
                          tensor.offset, alignment));
    }
    tensor.offset += data;
    if (tensor.num_bytes > file_bytes || tensor.offset > file_bytes - tensor.num_bytes) {
      in.Fail(fmt::format("tensor \"{}\" ends behind the file's end: bytes {} to {} of {}",
                          tensor.name, tensor.offset, tensor.offset + tensor.num_bytes,
                          file_bytes));
    }
    order.push_back(&tensor);
  }
  std::ranges::sort(order, {}, &GgufTensor::offset);
  for (size_t i = 1; i < order.size() && in.ok(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->num_bytes <= order[i]->offset) continue;
    in.Fail(fmt::format("tensors \"{}\" and \"{}\" overlap", order[i - 1]->name, order[i]->name));
  }
}

void CheckNames(Cursor& in, const std::vector<GgufTensor>& tensors) {
  std::set<std::string_view> names;
  for (const GgufTensor& tensor : tensors) {
    if (names.insert(tensor.name).second) continue;
    return in.Fail(fmt::format("tensor \"{}\" is there twice", tensor.name));
  }
}

}  // namespace

const GgufType* FindGgufType(uint32_t id) {
  const auto found = std::ranges::find(kTypes, id, &GgufType::id);
  return found == std::end(kTypes) ? nullptr : &*found;
}

const GgufType* FindGgufType(std::string_view name) {
  const auto found = std::ranges::find(kTypes, name, &GgufType::name);
  return found == std::end(kTypes) ? nullptr : &*found;
}

std::span<const GgufType> KnownGgufTypes() { return kTypes; }

const GgufTensor* GgufHeader::Find(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &GgufTensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

absl::StatusOr<GgufHeader> ParseGguf(std::string_view path, std::span<const std::byte> head,
                                     int64_t file_bytes) {
  Cursor in(head, file_bytes);
  const auto magic = in.Read<std::array<char, 4>>();
  if (in.ok() && std::string_view(magic.data(), magic.size()) != kMagic) {
    in.Fail("is no GGUF file: it does not begin with \"GGUF\"");
  }
  const auto version = in.Read<uint32_t>();
  if (in.ok() && version != 2 && version != 3) {
    return absl::UnimplementedError(
        fmt::format("{}: GGUF version {}: only 2 and 3, little-endian, are read", path, version));
  }
  // The least that each takes: name's length, type, one byte; name's length, dims, type, offset.
  const int64_t num_tensors = in.Count(kMaxTensors, 24, "a list of tensors");
  const int64_t num_keys = in.Count(kMaxKeys, 13, "metadata");
  GgufHeader header;
  header.metadata = ReadMetadata(in, num_keys);
  absl::Status unknown;
  for (int64_t i = 0; i < num_tensors && in.ok(); ++i) {
    header.tensors.push_back(ReadTensor(in, &unknown));
  }
  if (in.ok()) CheckNames(in, header.tensors);
  if (in.ok() && unknown.ok()) PlaceTensors(in, header.metadata, file_bytes, header.tensors);
  if (!in.ok()) return Annotate(in.status(), path);
  if (!unknown.ok()) return Annotate(unknown, path);
  return header;
}

}  // namespace switchyard
