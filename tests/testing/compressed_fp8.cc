#include "tests/testing/compressed_fp8.h"

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/block_fp8.h"

namespace switchyard::testing {
namespace {

using kernels::Bf16;
using worker::FileDtype;
using worker::TestTensor;

void AddQuantised(const worker::TensorInfo& tensor, const std::string& bytes, bool by_rows,
                  std::vector<TestTensor>* tensors) {
  const int64_t rows = tensor.shape[0], cols = tensor.shape[1];
  const worker::BlockSlice slice{.num_rows = rows,
                                 .num_cols = cols,
                                 .block_rows = by_rows ? 1 : rows,
                                 .block_cols = RoundUp(cols, 128)};
  std::vector<float> values, scales(size_t(by_rows ? rows : 1));
  for (int64_t i = 0; i < rows * cols; ++i) {
    values.push_back(ToFloat(reinterpret_cast<const Bf16*>(bytes.data())[i]));
  }
  std::vector<kernels::F8E4M3> codes(values.size());
  QuantizeBlocks(slice, values.data(), codes.data(), scales.data());
  tensors->push_back(worker::TensorOf(tensor.name, FileDtype::kF8E4m3, tensor.shape, codes));
  const std::string name = tensor.name + "_scale";
  if (!by_rows) {
    tensors->push_back(worker::TensorOf(name, FileDtype::kF32, {1}, scales));
    return;
  }
  std::vector<Bf16> rounded;
  for (const float scale : scales) rounded.push_back(kernels::ToBf16(scale));
  tensors->push_back(worker::TensorOf(name, FileDtype::kBf16, {rows, 1}, rounded));
}

Json Quantization(std::string_view strategy) {
  const Json weights = {{"num_bits", 8},        {"type", "float"},    {"strategy", strategy},
                        {"symmetric", true},    {"dynamic", false},   {"group_size", nullptr},
                        {"observer", "minmax"}, {"actorder", nullptr}};
  const Json inputs = {
      {"num_bits", 8}, {"type", "float"}, {"strategy", "token"}, {"dynamic", true}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "float-quantized"},
          {"quantization_status", "compressed"},
          {"kv_cache_scheme", nullptr},
          {"ignore", {"lm_head", "re:.*mlp.gate$"}},
          {"config_groups",
           {{"group_0",
             {{"targets", Json::array({"Linear"})},
              {"weights", weights},
              {"input_activations", inputs}}}}}};
}

}  // namespace

void WriteCompressedFp8(const std::string& from, const std::string& to, std::string_view strategy) {
  const auto checkpoint = worker::Checkpoint::Open(from);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::vector<TestTensor> tensors;
  for (const worker::TensorInfo& tensor : checkpoint->tensors()) {
    const std::string bytes = worker::TensorBytes(*checkpoint, tensor.name);
    if (tensor.name.find("_proj") != std::string::npos && tensor.name.ends_with(".weight")) {
      AddQuantised(tensor, bytes, strategy == "channel", &tensors);
    } else {
      tensors.push_back({{tensor.name, tensor.dtype, tensor.shape}, bytes});
    }
  }
  ASSERT_TRUE(std::filesystem::create_directory(to));
  worker::WriteTensors(to + "/model.safetensors", tensors);
  Json config = *ParseJson(*ReadFile(from + "/config.json", 1 << 20));
  config["quantization_config"] = Quantization(strategy);
  worker::WriteText(to + "/config.json", config.dump());
}

}  // namespace switchyard::testing
