// Makes a GGUF file of a checkpoint folder, as llama.cpp's converter would: its names, its order of
// rows, its keys. Written from the format's description and not with what reads such files.
#ifndef SWITCHYARD_TESTS_TESTING_GGUF_MODEL_H_
#define SWITCHYARD_TESTS_TESTING_GGUF_MODEL_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/base/gguf_writer.h"

namespace switchyard::testing {

// What is written for a matrix of the checkpoint, `columns` to a row.
struct StoredMatrix {
  uint32_t type = 0;  // as GGUF numbers them
  std::string bytes;
};
using StoreMatrix = std::function<StoredMatrix(const std::string& name, int64_t columns,
                                               const std::vector<float>& values)>;

// Matrices as BF16, F16 or F32.
StoredMatrix AsBf16(const std::string& name, int64_t columns, const std::vector<float>& values);
StoredMatrix AsF16(const std::string& name, int64_t columns, const std::vector<float>& values);
StoredMatrix AsF32(const std::string& name, int64_t columns, const std::vector<float>& values);

// `folder` is one of ours (models/). Vectors and routers are F32, all else as `store` says. A
// file's own ways of saying something: rope scaling "llama3" becomes divisors.
void WriteGgufModel(const std::string& folder, const std::string& path,
                    const StoreMatrix& store = AsBf16);

// The same of a DeepSeek-V2 as newer converters write it: kv_b_proj in halves, and the keys that
// say so.
void WriteMlaGgufModel(const std::string& folder, const std::string& path,
                       const StoreMatrix& store = AsBf16);

// The same in several files beside each other, "STEM-00001-of-00003.gguf" and so on. Returns the
// path of the first.
std::string WriteSplitGgufModel(const std::string& folder, const std::string& stem, int num_parts);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_GGUF_MODEL_H_
