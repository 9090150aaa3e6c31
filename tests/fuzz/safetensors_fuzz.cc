// A safetensors file as a worker would open it: length, header, then the promise that every tensor
// lies inside the file.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.h"
#include "worker/weights/safetensors.h"

namespace {

using switchyard::worker::SafetensorsHeader;
using switchyard::worker::TensorInfo;

void CheckPromises(const SafetensorsHeader& header, int64_t file_bytes) {
  int64_t end = -1;
  for (const TensorInfo& tensor : header.tensors) {
    if (end >= 0) SY_CHECK_EQ(tensor.offset, end);
    int64_t num_bytes = FileDtypeBytes(tensor.dtype);
    for (int64_t dim : tensor.shape) num_bytes *= dim;  // the sanitizer sees an overflow
    SY_CHECK_EQ(num_bytes, tensor.num_bytes);
    end = tensor.offset + tensor.num_bytes;
    SY_CHECK(tensor.offset >= 8 && end <= file_bytes) << tensor.name;
  }
  if (end >= 0) SY_CHECK_EQ(end, file_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const int64_t file_bytes = int64_t(size);
  const auto length = switchyard::worker::ParseSafetensorsHeaderLength("fuzz", bytes, file_bytes);
  if (!length.ok()) return 0;
  const std::string_view json(reinterpret_cast<const char*>(data) + 8, size_t(*length));
  const auto header = switchyard::worker::ParseSafetensorsHeader("fuzz", json, file_bytes);
  if (header.ok()) CheckPromises(*header, file_bytes);
  return 0;
}
