// The bytes of packed weights, which may be kept on a disk: a form's name stands for them. If this
// fails because a layout was changed on purpose, give the form another name (Ops::packed_form) and
// record its digest here: else weights that were kept would be read in the wrong order.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/linear.h"
#include "tests/kernels/linear_fixture.h"

namespace switchyard::kernels {
namespace {

using cpu::Isa;

class Digest {
 public:
  void Add(const Buffer& memory) {
    const auto* const bytes = static_cast<const uint8_t*>(memory.data());
    for (int64_t i = 0; i < memory.num_bytes(); ++i) {
      value_ = (value_ ^ bytes[i]) * 0x100000001b3u;  // FNV-1a
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325u;
};

// Bytes of no NaN in any type, from no library's generator.
std::vector<uint8_t> Bytes(int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  uint32_t state = 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>((state >> 24) % 0x70);
  }
  return bytes;
}

// Floats and whole numbers, in both forms of whole numbers.
void AddWhole(TestCpu& cpu, const std::vector<uint8_t>& bytes, Digest& digest) {
  constexpr int64_t kN = 83, kK = 256;
  std::vector<uint8_t> codes(kN * kK);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = bytes[i] & 15;
  const std::vector<float> scales(kN * kK / 32, 0.25f);
  const std::vector<int8_t> zeros(kN * kK / 32, 7);
  const auto add = [&](DType dtype, WeightForm form, bool has_zeros) {
    LinearSource source{
        .name = "w",
        .weight = TensorView(dtype == DType::kU4 ? codes.data() : bytes.data(), dtype, {kN, kK}),
        .k_shards = 2,
        .form = form};
    if (dtype == DType::kU4 || dtype == DType::kI8) {
      source.block_rows = 1;
      source.block_cols = 32;
      source.scales = TensorView(scales.data(), DType::kF32, {kN, kK / 32});
      if (has_zeros) source.zeros = TensorView(zeros.data(), DType::kI8, {kN, kK / 32});
    }
    digest.Add(cpu.Pack(source)->memory());
    digest.Add(cpu::PackGateUp(cpu.context, cpu.device, source, source)->memory());
  };
  add(DType::kF32, WeightForm::kInt8, false);
  add(DType::kBf16, WeightForm::kInt4, false);
  add(DType::kU4, WeightForm::kInt4, true);
  add(DType::kU4, WeightForm::kInt4, false);
  add(DType::kI8, WeightForm::kInt8, false);
}

uint64_t DigestOf(Isa isa) {
  constexpr int64_t kN = 83, kK = 330;
  TestCpu cpu(isa);
  const std::vector<uint8_t> weight = Bytes(kN * kK * 4);
  const std::vector<float> scales(2 * 4, 0.25f), bias(kN, 1.5f);
  Digest digest;
  for (const DType dtype : {DType::kF8E4M3, DType::kBf16, DType::kF16, DType::kF32}) {
    for (const Compute compute : {Compute::kBf16, Compute::kF32, Compute::kW8A8}) {
      LinearSource source{.name = "w",
                          .weight = TensorView(weight.data(), dtype, {kN, kK}),
                          .row_offset = 90,
                          .col_offset = 100,
                          .k_shards = 2,
                          .compute = compute};
      if (dtype == DType::kF8E4M3) source.scales = TensorView(scales.data(), DType::kF32, {2, 4});
      source.bias = TensorView(bias.data(), DType::kF32, {kN});
      digest.Add(cpu::PackGateUp(cpu.context, cpu.device, source, source)->memory());
      digest.Add(cpu::Pack(cpu.context, cpu.device, source)->memory());
    }
  }
  AddWhole(cpu, weight, digest);
  return digest.value();
}

// Packing itself needs none of these instruction sets.
TEST(PackedForm, ANameStandsForTheSameBytes) {
  const std::map<std::string, uint64_t> recorded = {{"avx512-bf16", 16707083144444015360u},
                                                    {"avx512", 1204846275290622020u},
                                                    {"avx2", 1204846275290622020u},
                                                    {"portable", 1204846275290622020u}};
  for (const Isa isa : {Isa::kAvx512Bf16, Isa::kAvx512, Isa::kAvx2, Isa::kPortable}) {
    EXPECT_EQ(DigestOf(isa), recorded.at(std::string(Name(isa)))) << Name(isa);
  }
  const auto ops = MakeCpuBackend({.num_threads = 1, .isa = "portable"});
  ASSERT_TRUE(ops.ok());
  EXPECT_EQ((*ops)->packed_form(), "cpu-portable-1");
}

}  // namespace
}  // namespace switchyard::kernels
