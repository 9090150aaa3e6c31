// Random weights in every checkpoint type, and the CPU contexts to run them in.
#ifndef SWITCHYARD_TESTS_KERNELS_LINEAR_FIXTURE_H_
#define SWITCHYARD_TESTS_KERNELS_LINEAR_FIXTURE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/args/linear.h"
#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/linear.h"

namespace switchyard::kernels {

inline std::vector<float> RandomRows(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

// A whole tensor as a checkpoint has it; slices of it are LinearSources.
class TestWeight {
 public:
  // `group_columns`: of codes; 0: as usual for the type.
  TestWeight(DType dtype, int64_t n, int64_t k, uint32_t seed,
             WeightForm form = WeightForm::kStored, int64_t group_columns = 0)
      : dtype_(dtype), form_(form), n_(n), k_(k), group_columns_(group_columns) {
    if (group_columns_ == 0) group_columns_ = dtype == DType::kU4 ? 128 : 32;
    if (IsGrouped()) {
      FillGroups(seed);
      return;
    }
    const std::vector<float> values = RandomRows(n * k, seed);
    bytes_.resize(values.size() * static_cast<size_t>(SizeOf(dtype)));
    for (size_t i = 0; i < values.size(); ++i) Store(i, values[i]);
    if (dtype == DType::kF8E4M3) {
      const int64_t blocks = Blocks(n) * Blocks(k);
      for (const float value : RandomRows(blocks, seed + 1))
        scales_.push_back(0.01f + std::abs(value));
    }
  }

  LinearSource Whole(Compute compute) const { return Slice(compute, 0, n_, 0, k_); }

  // FP8 with a scale for each row (block_rows 1), or for the whole tensor (n).
  LinearSource WithRowScales(LinearSource source, int64_t block_rows) {
    row_scales_.clear();
    for (int64_t i = 0; i < (n_ + block_rows - 1) / block_rows; ++i) {
      row_scales_.push_back(0.01f + static_cast<float>(i * 37 % 101) / 64);
    }
    source.block_rows = block_rows;
    source.block_cols = Blocks(k_) * 128;
    source.scales =
        TensorView(row_scales_.data(), DType::kF32, {std::ssize(row_scales_), int64_t{1}});
    return source;
  }

  LinearSource Slice(Compute compute, int64_t row, int64_t rows, int64_t col, int64_t cols) const {
    LinearSource source{
        .name = "w", .row_offset = row, .col_offset = col, .compute = compute, .form = form_};
    source.weight = TensorView(bytes_.data(), dtype_, {n_, k_}).Rows(row, rows).Cols(col, cols);
    if (IsGrouped()) {
      const int64_t groups = NumGroups();
      source.block_rows = 1;
      source.block_cols = group_columns_;
      source.scales = TensorView(scales_.data(), DType::kF32, {n_, groups});
      if (!zeros_.empty()) source.zeros = TensorView(zeros_.data(), DType::kI8, {n_, groups});
    } else if (!scales_.empty()) {
      source.scales = TensorView(scales_.data(), DType::kF32, {Blocks(n_), Blocks(k_)});
    }
    return source;
  }

  void Store(size_t index, float value) {
    std::byte* to = bytes_.data() + index * static_cast<size_t>(SizeOf(dtype_));
    switch (dtype_) {
      case DType::kF32:
        memcpy(to, &value, sizeof(value));
        return;
      case DType::kBf16:
        Put(to, ToBf16(value));
        return;
      case DType::kF8E4M3:
        Put(to, ToF8E4M3(value));
        return;
      default:
        Put(to, HalfOf(value));
        return;
    }
  }

 private:
  // Of codes.
  int64_t NumGroups() const { return (k_ + group_columns_ - 1) / group_columns_; }
  bool IsGrouped() const {
    return dtype_ == DType::kI8 || dtype_ == DType::kU4 || dtype_ == DType::kF4E2M1;
  }

  // Codes, scales that are F16 or (of floats) powers of two, and zero points of those that are
  // without a sign.
  void FillGroups(uint32_t seed) {
    std::mt19937 random(seed);
    for (int64_t i = 0; i < n_ * k_; ++i) {
      const auto code = static_cast<int>(random() % (dtype_ == DType::kI8 ? 256 : 16));
      bytes_.push_back(static_cast<std::byte>(code));
    }
    for (int64_t i = 0; i < n_ * NumGroups(); ++i) {
      if (dtype_ == DType::kF4E2M1) {
        scales_.push_back(std::ldexp(1.0f, static_cast<int>(random() % 6) - 6));
        continue;
      }
      scales_.push_back(static_cast<float>(1 + random() % 1024) / 2048);
      if (dtype_ == DType::kU4) zeros_.push_back(static_cast<int8_t>(random() % 17));
    }
  }

  static int64_t Blocks(int64_t length) { return (length + 127) / 128; }

  template <typename T>
  static void Put(std::byte* to, T value) {
    memcpy(to, &value, sizeof(value));
  }

  // Normal halves only: enough for weights of a test.
  static F16 HalfOf(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const int exponent = static_cast<int>((bits >> 23) & 0xff) - 127 + 15;
    if (exponent <= 0 || exponent >= 31) return F16{0};
    return static_cast<F16>((bits >> 31 << 15) | static_cast<uint32_t>(exponent << 10) |
                            ((bits >> 13) & 0x3ff));
  }

  const DType dtype_;
  const WeightForm form_;
  const int64_t n_, k_;
  int64_t group_columns_;
  std::vector<std::byte> bytes_;
  std::vector<float> scales_;
  std::vector<float> row_scales_;
  std::vector<int8_t> zeros_;
};

// One instruction set with some threads, and its memory.
struct TestCpu {
  explicit TestCpu(cpu::Isa isa, int num_threads = 2)
      : pool({.num_threads = num_threads}), context{.pool = pool, .isa = isa}, device(isa) {}

  std::unique_ptr<PackedLinear> Pack(const LinearSource& source) {
    return cpu::Pack(context, device, source);
  }

  std::vector<float> Linear(const PackedLinear& weight, std::span<const float> x) {
    const int64_t rows = static_cast<int64_t>(x.size()) / weight.k();
    std::vector<float> y(static_cast<size_t>(rows * weight.n()), -1.0f);
    cpu::Linear(context, {.x = TensorView(x.data(), DType::kF32, {rows, weight.k()}),
                          .weight = &weight,
                          .y = TensorView(y.data(), DType::kF32, {rows, weight.n()})});
    return y;
  }

  cpu::ThreadPool pool;
  const cpu::CpuContext context;
  cpu::CpuDevice device;
};

// The instruction sets of this machine.
inline std::vector<cpu::Isa> Isas() {
  std::vector<cpu::Isa> isas;
  for (const cpu::Isa isa : cpu::kIsas) {
    if (isa <= cpu::BestIsa()) isas.push_back(isa);
  }
  return isas;
}

// How weights and activations can meet.
struct Mode {
  DType weight;
  Compute compute;
  WeightForm form = WeightForm::kStored;
};
// Of every backend.
inline constexpr Mode kFloatModes[] = {
    {DType::kBf16, Compute::kBf16},   {DType::kF16, Compute::kBf16},
    {DType::kF32, Compute::kBf16},    {DType::kF8E4M3, Compute::kBf16},
    {DType::kBf16, Compute::kF32},    {DType::kF16, Compute::kF32},
    {DType::kF32, Compute::kF32},     {DType::kF8E4M3, Compute::kF32},
    {DType::kF8E4M3, Compute::kW8A8}, {DType::kBf16, Compute::kW8A8},
};
// Of a backend that packs whole numbers.
inline constexpr Mode kWholeModes[] = {
    {DType::kI8, Compute::kBf16, WeightForm::kInt8},
    {DType::kU4, Compute::kBf16, WeightForm::kInt4},
    {DType::kI8, Compute::kBf16},
    {DType::kU4, Compute::kBf16},
    {DType::kU4, Compute::kF32},
    {DType::kF4E2M1, Compute::kBf16},
    {DType::kF4E2M1, Compute::kF32},
    {DType::kF4E2M1, Compute::kBf16, WeightForm::kInt8},
    {DType::kF32, Compute::kBf16, WeightForm::kInt8},
    {DType::kF8E4M3, Compute::kBf16, WeightForm::kInt8},
    {DType::kBf16, Compute::kBf16, WeightForm::kInt4},
};

// Weights of codes on every backend.
inline constexpr Mode kCodeModes[] = {
    {DType::kU4, Compute::kBf16},
    {DType::kF4E2M1, Compute::kBf16},
    {DType::kU4, Compute::kF32},
};

inline std::vector<Mode> AllModes() {
  std::vector<Mode> modes(std::begin(kFloatModes), std::end(kFloatModes));
  modes.insert(modes.end(), std::begin(kWholeModes), std::end(kWholeModes));
  return modes;
}

inline std::string NameOf(const Mode& mode) {
  constexpr const char* kComputes[] = {"bf16", "f32", "w8a8"};
  constexpr const char* kForms[] = {"", "_as_int8", "_as_int4"};
  return std::string(Name(mode.weight)) + "_in_" + kComputes[static_cast<int>(mode.compute)] +
         kForms[static_cast<int>(mode.form)];
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_LINEAR_FIXTURE_H_
