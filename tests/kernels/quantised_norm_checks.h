// What every backend's norm that quantises must do, over kQuantisedNorms: called by the test of
// each. A product of what it wrote has the bits of a product that quantises the plain norm's rows.
#ifndef SWITCHYARD_TESTS_KERNELS_QUANTISED_NORM_CHECKS_H_
#define SWITCHYARD_TESTS_KERNELS_QUANTISED_NORM_CHECKS_H_

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cases/rows.h"
#include "kernels/dtype.h"
#include "kernels/ops.h"
#include "tests/kernels/linear_fixture.h"
#include "tests/kernels/reference/linear_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {

class QuantisedNormChecks {
 public:
  // `epsilon`: the relative error of one step of the backend's sums.
  QuantisedNormChecks(Ops& ops, const cases::QuantisedNormCase& shape, bool ue8m0, double epsilon)
      : ops_(ops),
        rows_(shape.rows),
        width_(shape.width),
        ue8m0_(ue8m0),
        epsilon_(epsilon),
        matrix_(DType::kF8E4M3, kOutputs, width_, 5),
        weight_(ops.Pack(matrix_.Whole(Compute::kW8A8))),
        gate_up_(ops.PackGateUp(matrix_.Whole(Compute::kW8A8), matrix_.Whole(Compute::kW8A8))) {
    x_ = RandomRows(rows_ * width_, 1);
    delta_ = RandomRows(rows_ * width_, 2);
    norm_ = PutF32({width_}, RandomRows(width_, 3));
    if (rows_ > 1) std::fill_n(x_.begin() + width_, width_, 0.0f);  // the least scale
    if (rows_ > 2) {                                                // below the least
      for (float& value : std::span(x_).subspan(2 * width_, width_)) value *= 0x1p-30f;
    }
  }

  void All() {
    for (const bool with_delta : {false, true}) {
      const Result plain = Run(with_delta, Form::kRows);
      for (const Form form : {Form::kBoth, Form::kQuantised}) {
        const Result got = Run(with_delta, form);
        EXPECT_TRUE(testing::SameBits(got.sum, plain.sum, width_));
        if (form == Form::kBoth) {
          EXPECT_TRUE(testing::SameBits(got.normed, plain.normed, width_));
        }
        EXPECT_TRUE(testing::SameBits(got.product, plain.product, kOutputs));
        EXPECT_TRUE(testing::SameBits(got.gated, plain.gated, kOutputs));
      }
      ExpectRight(plain);
    }
  }

 private:
  static constexpr int64_t kOutputs = 33;
  enum class Form { kRows, kBoth, kQuantised };
  struct Result {
    std::vector<float> sum, normed, product, gated;
  };

  Result Run(bool with_delta, Form form) {
    const int64_t bytes = ops_.QuantisedBytes(rows_, width_);
    EXPECT_LE(bytes, QuantisedRows::MostFloats(rows_, width_) * int64_t{sizeof(float)});
    const TensorView x = PutRows(x_), y = Make(ops_.activation_dtype(), {rows_, width_});
    RmsNormArgs args{.x = x, .weight = norm_, .eps = 1e-6f, .y = y, .ue8m0_scales = ue8m0_};
    if (with_delta) args.delta = PutRows(delta_);
    const TensorView product = Make(DType::kF32, {rows_, kOutputs});
    LinearArgs linear{.x = y, .weight = weight_.get(), .y = product, .ue8m0_scales = ue8m0_};
    GateUpArgs gate_up{.x = y, .weight = gate_up_.get(), .y = Make(DType::kF32, {rows_, kOutputs})};
    gate_up.ue8m0_scales = ue8m0_;
    if (form != Form::kRows) {
      args.quantised = {
          .data = Make(DType::kF8E4M3, {bytes}).data, .rows = rows_, .columns = width_};
      if (form == Form::kQuantised) args.y = {};
      linear.x = gate_up.x = {};
      linear.quantised = gate_up.quantised = args.quantised;
    }
    ops_.RmsNorm(args);
    ops_.Linear(linear);
    ops_.GateUp(gate_up);
    return {.sum = Get(x), .normed = Get(y), .product = Get(product), .gated = Get(gate_up.y)};
  }

  void ExpectRight(const Result& result) {
    const reference::Sums want = reference::Linear(
        matrix_.Whole(Compute::kW8A8), {.x = result.normed, .rows = rows_, .ue8m0 = ue8m0_});
    EXPECT_TRUE(testing::Close({.got = result.product,
                                .want = want.value,
                                .magnitude = want.magnitude,
                                .columns = kOutputs,
                                .num_terms = width_,
                                .epsilon = epsilon_}));
  }

  TensorView Make(DType dtype, std::initializer_list<int64_t> shape) {
    TensorView view(nullptr, dtype, shape);
    buffers_.push_back(ops_.device().Allocate(view.NumElements() * SizeOf(dtype)));
    view.data = buffers_.back().data();
    return view;
  }
  TensorView PutF32(std::initializer_list<int64_t> shape, const std::vector<float>& values) {
    const TensorView view = Make(DType::kF32, shape);
    ops_.device().CopyToDevice(view.data, values.data(), std::ssize(values) * 4);
    return view;
  }
  TensorView PutRows(const std::vector<float>& values) {
    const TensorView wide = PutF32({rows_, width_}, values);
    if (ops_.activation_dtype() == DType::kF32) return wide;
    const TensorView narrow = Make(DType::kBf16, {rows_, width_});
    ops_.Cast({.x = wide, .y = narrow});
    return narrow;
  }
  std::vector<float> Get(const TensorView& view) {
    TensorView wide = view;
    if (view.dtype != DType::kF32) {
      wide = Make(DType::kF32, {rows_, width_});
      ops_.Cast({.x = view, .y = wide});
    }
    std::vector<float> values(static_cast<size_t>(view.NumElements()));
    ops_.device().CopyToHost(values.data(), wide.data, std::ssize(values) * 4);
    return values;
  }

  Ops& ops_;
  const int64_t rows_, width_;
  const bool ue8m0_;
  const double epsilon_;
  const TestWeight matrix_;
  const std::unique_ptr<PackedLinear> weight_, gate_up_;
  std::vector<float> x_, delta_;
  TensorView norm_;
  std::list<Buffer> buffers_;
};

// Which weights may be given quantised rows: those whose groups no border cuts.
inline void CheckWeightsThatTakeQuantised(Ops& ops) {
  const TestWeight fp8(DType::kF8E4M3, 16, 512, 1), bf16(DType::kBf16, 16, 512, 2);
  const auto takes = [&](const LinearSource& source) {
    return ops.Pack(source)->takes_quantised();
  };
  const auto sharded = [](LinearSource source, int64_t shards) {
    source.k_shards = shards;
    return source;
  };
  EXPECT_TRUE(takes(fp8.Whole(Compute::kW8A8)));
  EXPECT_TRUE(takes(fp8.Slice(Compute::kW8A8, 0, 16, 128, 300)));
  EXPECT_TRUE(takes(sharded(fp8.Whole(Compute::kW8A8), 4)));
  EXPECT_FALSE(takes(sharded(fp8.Whole(Compute::kW8A8), 8)));
  EXPECT_FALSE(takes(fp8.Slice(Compute::kW8A8, 0, 16, 64, 128)));
  EXPECT_FALSE(takes(fp8.Slice(Compute::kW8A8, 0, 16, 64, 32)));
  EXPECT_FALSE(takes(fp8.Whole(Compute::kBf16)));
  EXPECT_FALSE(takes(fp8.Whole(Compute::kF32)));
  EXPECT_FALSE(takes(bf16.Whole(Compute::kW8A8)));
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_QUANTISED_NORM_CHECKS_H_
