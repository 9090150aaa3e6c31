// GGUF files: typed metadata and a directory of tensors, as llama.cpp writes them (versions 2 and
// 3, little-endian). Reads the part before the tensors' bytes; every count and length is held
// against the file before anything is sized by it. The format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#ifndef SWITCHYARD_BASE_GGUF_H_
#define SWITCHYARD_BASE_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace switchyard {

// How a tensor is stored: rows of blocks, a block some neighbouring elements of a row.
struct GgufType {
  uint32_t id;            // in the file
  std::string_view name;  // "Q4_0"
  int64_t block_elements;
  int64_t block_bytes;
};
// Null if it is not known.
const GgufType* FindGgufType(uint32_t id);
const GgufType* FindGgufType(std::string_view name);
std::span<const GgufType> KnownGgufTypes();

struct GgufTensor {
  std::string name;
  const GgufType* type = nullptr;
  std::vector<int64_t> shape;  // as other formats have it: the last dimension is contiguous
  int64_t offset = 0;          // of its first byte, from the file's beginning
  int64_t num_bytes = 0;
  int32_t file = 0;  // index into GgufHeader::files
};

struct GgufHeader {
  Json metadata;  // an object: keys as in the file, arrays of one type, texts in UTF-8
  std::vector<GgufTensor> tensors;  // as in the file
  std::vector<std::string> files;   // paths; of ReadGguf

  // Null if there is none.
  const GgufTensor* Find(std::string_view name) const;
};

inline constexpr int64_t kMaxGgufHeaderBytes = 512 << 20;

// The header in the first bytes of a file of `file_bytes`; `path` is for messages. OUT_OF_RANGE:
// `head` ends before the header does, and the file has more. INVALID_ARGUMENT names path, key or
// tensor, and fault; UNIMPLEMENTED: a version or a type of tensors that is not known.
absl::StatusOr<GgufHeader> ParseGguf(std::string_view path, std::span<const std::byte> head,
                                     int64_t file_bytes);

// The same of a file, or of all parts of one that was split, of which `path` names the first
// ("NAME-00001-of-00003.gguf"); the metadata are the first's. NOT_FOUND if a file is missing.
absl::StatusOr<GgufHeader> ReadGguf(const std::string& path);

// The elements of a small F32 tensor of those files. INVALID_ARGUMENT if it is of another type or
// has more than `most`; DATA_LOSS if the file ends before it does.
absl::StatusOr<std::vector<float>> ReadGgufFloats(const GgufHeader& header,
                                                  const GgufTensor& tensor, int64_t most);

// The file's name without ending, and of a split file without the number of its part.
std::string GgufModelName(std::string_view path);

// Whether a path names such a file: by its ending, ".gguf".
bool IsGgufPath(std::string_view path);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_GGUF_H_
