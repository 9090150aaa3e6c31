// A GGUF file's metadata as config, tokenizer and list of tensors: each refused with a status, or
// fit for what reads it.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/gguf.h"
#include "coordinator/core/plan/gguf_config.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/text/bpe_tokenizer.h"
#include "coordinator/text/gguf_tokenizer.h"
#include "coordinator/text/tokenizer_file.h"
#include "worker/weights/gguf_tensors.h"

namespace {

using namespace switchyard;

void ReadConfig(const GgufHeader& header) {
  for (const std::vector<float>& divisors : {std::vector<float>(), std::vector<float>{1, 8}}) {
    const auto config = core::GgufConfig(header, divisors, "fuzz");
    if (!config.ok()) continue;
    const auto spec = core::ParseHfConfig(config->dump(), "fuzz");
    if (spec.ok()) SY_CHECK_GT(spec->vocab_size(), 0);
  }
}

void ReadTokenizer(const GgufHeader& header) {
  const auto json = text::GgufTokenizerJson(header.metadata);
  const auto config = text::GgufTokenizerConfig(header.metadata);
  if (!json.ok() || !config.ok()) return;
  auto spec = text::ParseTokenizerJson(json->dump());
  if (!spec.ok() || !text::ApplyTokenizerConfig(config->dump(), *spec).ok()) return;
  const auto tokenizer = text::BpeTokenizer::Create(*std::move(spec));
  if (!tokenizer.ok()) return;
  const auto ids = (*tokenizer)->Encode("Caf\u00e9  12 <s>\n", {.parse_special = true});
  if (!ids.ok()) return;
  for (const int32_t id : *ids) SY_CHECK(id >= 0 && id < (*tokenizer)->vocab_size()) << id;
}

void ListTensors(const GgufHeader& header, int64_t file_bytes) {
  const auto tensors = worker::GgufTensors(header);
  if (!tensors.ok()) return;
  for (const worker::TensorInfo& tensor : *tensors) {
    int64_t elements = 1;
    for (const int64_t dim : tensor.shape) elements *= dim;
    SY_CHECK_EQ(elements * worker::FileDtypeBytes(tensor.dtype), tensor.num_bytes) << tensor.name;
    SY_CHECK(tensor.offset >= 0 && tensor.num_bytes <= file_bytes - tensor.offset) << tensor.name;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto header = ParseGguf("fuzz", std::as_bytes(std::span(data, size)), int64_t(size));
  if (!header.ok()) return 0;
  ReadConfig(*header);
  ReadTokenizer(*header);
  ListTensors(*header, int64_t(size));
  return 0;
}
