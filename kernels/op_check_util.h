// The words in which op_check_*.cc speak: one chain of expectations per tensor. A failure aborts
// with "Op: tensor: what: expected ..., got ...".
#ifndef SWITCHYARD_KERNELS_OP_CHECK_UTIL_H_
#define SWITCHYARD_KERNELS_OP_CHECK_UTIL_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/check.h"
#include "kernels/args/quantised.h"
#include "kernels/args/rotation.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// One tensor argument of one op. Lives for one statement:
//   TensorCheck("Add", "delta", args.delta).Type(args.x.dtype).Shape({tokens, hidden});
class TensorCheck {
 public:
  TensorCheck(std::string_view op, std::string_view name, const TensorView& view)
      : op_(op), name_(name), view_(view) {}

  const TensorCheck& Type(DType expected) const { return OneOf({expected}); }

  const TensorCheck& OneOf(std::initializer_list<DType> expected) const {
    for (DType dtype : expected) {
      if (view_.dtype == dtype) return *this;
    }
    std::string names;
    for (DType dtype : expected) names.append(names.empty() ? "" : " or ").append(Name(dtype));
    SY_CHECK(false) << op_ << ": " << name_ << ": type: expected " << names << ", got "
                    << Name(view_.dtype);
    return *this;
  }

  // Backends have one of these as their activation type.
  const TensorCheck& Activation() const { return OneOf({DType::kF32, DType::kBf16}); }

  const TensorCheck& Rank(int expected) const {
    SY_CHECK(view_.rank == expected)
        << op_ << ": " << name_ << ": rank: expected " << expected << ", got " << view_.rank;
    return *this;
  }

  // Rank and every dimension; then that there is memory behind them and that rows do not overlap.
  const TensorCheck& Shape(std::initializer_list<int64_t> expected) const {
    Rank(static_cast<int>(expected.size()));
    int i = 0;
    for (int64_t dim : expected) {
      SY_CHECK(dim >= 0 && view_.dims[i] == dim)
          << op_ << ": " << name_ << ": dimension " << i << ": expected " << dim << ", got "
          << view_.dims[i];
      ++i;
    }
    if (view_.NumElements() == 0) return *this;
    SY_CHECK(!view_.empty()) << op_ << ": " << name_ << ": expected data, got null";
    SY_CHECK(view_.rows() == 1 || view_.row_stride >= view_.RowElements())
        << op_ << ": " << name_ << ": row stride: expected at least " << view_.RowElements()
        << ", got " << view_.row_stride;
    return *this;
  }

  const TensorCheck& Contiguous() const {
    SY_CHECK(view_.contiguous()) << op_ << ": " << name_ << ": row stride: expected "
                                 << view_.RowElements() << ", got " << view_.row_stride;
    return *this;
  }

 private:
  const std::string_view op_;
  const std::string_view name_;
  const TensorView& view_;
};

// A number that must have one value, such as the length of a host array.
inline void ExpectEqual(std::string_view op, std::string_view what, int64_t expected, int64_t got) {
  SY_CHECK(got == expected) << op << ": " << what << ": expected " << expected << ", got " << got;
}

// A number that must lie in [least, most].
inline void ExpectBetween(std::string_view op, std::string_view what, int64_t least, int64_t most,
                          int64_t got) {
  SY_CHECK(least <= got && got <= most)
      << op << ": " << what << ": expected " << least << " to " << most << ", got " << got;
}

inline void CheckQuantised(std::string_view op, const QuantisedRows& quantised, int64_t rows,
                           int64_t columns) {
  ExpectEqual(op, "rows of quantised", rows, quantised.rows);
  ExpectEqual(op, "columns of quantised", columns, quantised.columns);
  SY_CHECK(reinterpret_cast<uintptr_t>(quantised.data) % 64 == 0)
      << op << ": quantised: data: expected a multiple of 64 bytes";
}

// `dim` is at least what is rotated of a head.
inline void CheckRotation(std::string_view op, const KeyRotation& rotation, int64_t tokens,
                          int64_t dim) {
  if (rotation.empty()) return;
  ExpectEqual(op, "positions", tokens, static_cast<int64_t>(rotation.positions.size()));
  TensorCheck(op, "table", rotation.table).Type(DType::kF32).Rank(2).Contiguous();
  ExpectBetween(op, "table: dimension 1", 0, dim, rotation.table.dims[1]);
  ExpectEqual(op, "table: dimension 1 modulo 2", 0, rotation.table.dims[1] % 2);
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_OP_CHECK_UTIL_H_
