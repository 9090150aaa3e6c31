// The obvious version of softmax attention in double precision: what kernels/args/attention.h and
// kernels/args/gqa.h mean, for all forms.
#ifndef SWITCHYARD_TESTS_KERNELS_REFERENCE_ATTENTION_REFERENCE_H_
#define SWITCHYARD_TESTS_KERNELS_REFERENCE_ATTENTION_REFERENCE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace switchyard::kernels::reference {

// One query of one head; keys and values are asked for by position, begin .. position.
struct AttentionQuery {
  std::span<const float> q;
  int64_t begin = 0;
  int64_t position = 0;
  double scale = 1;
  std::function<std::span<const float>(int64_t)> key;
  std::function<std::span<const float>(int64_t)> value;
  std::optional<double> sink;  // a score whose value is 0
  bool bf16 = false;           // q, keys and values are rounded to BF16 first
};

struct AttentionOutput {
  std::vector<double> value;
  std::vector<double> magnitude;  // sum of p |v|: what rounding errors are measured by
};

AttentionOutput Attention(const AttentionQuery& query);

}  // namespace switchyard::kernels::reference

#endif  // SWITCHYARD_TESTS_KERNELS_REFERENCE_ATTENTION_REFERENCE_H_
