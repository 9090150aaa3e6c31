// A GGUF file's header, then the promise that every tensor lies inside the file and over no other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const int64_t file_bytes = int64_t(size);
  auto header = switchyard::ParseGguf("fuzz", bytes, file_bytes);
  if (!header.ok()) return 0;
  std::ranges::sort(header->tensors, {}, &switchyard::GgufTensor::offset);
  int64_t end = 0;
  for (const switchyard::GgufTensor& tensor : header->tensors) {
    SY_CHECK(tensor.offset >= end && tensor.num_bytes <= file_bytes - tensor.offset) << tensor.name;
    int64_t elements = 1;
    for (const int64_t dim : tensor.shape) elements *= dim;  // the sanitizer sees an overflow
    SY_CHECK_EQ(elements / tensor.type->block_elements * tensor.type->block_bytes,
                tensor.num_bytes);
    end = tensor.offset + tensor.num_bytes;
  }
  return 0;
}
