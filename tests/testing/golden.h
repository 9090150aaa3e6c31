// What a bundled model must compute: FOLDER/goldens as its README describes them. A missing or
// broken file ends the test program.
#ifndef SWITCHYARD_TESTS_TESTING_GOLDEN_H_
#define SWITCHYARD_TESTS_TESTING_GOLDEN_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "worker/weights/posix_file.h"
#include "worker/weights/safetensors.h"

namespace switchyard::testing {

struct GoldenCase {
  std::string id;  // the number of its line where the file gives none
  std::vector<int32_t> prompt_tokens;
  std::vector<int32_t> greedy_tokens;  // the end token included
  double min_margin = 0;  // of all steps: best logit less the second best; 0: not recorded
  std::map<std::string, std::vector<int32_t>> mtp_drafts;  // by reference
  std::map<std::string, std::vector<float>> mtp_margins;   // best logit less the second best
};

// One of the two is filled.
struct GoldenTensor {
  worker::TensorShape shape;
  std::vector<float> floats;
  std::vector<int32_t> ints;

  int64_t columns() const { return shape.back(); }
  std::span<const float> row(int64_t i) const {
    return std::span(floats).subspan(i * columns(), columns());
  }
  std::span<const int32_t> int_row(int64_t i) const {
    return std::span(ints).subspan(i * columns(), columns());
  }
};

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& path);
  GoldenTensor Get(const std::string& name) const;
  // Names that begin so, ascending.
  std::vector<std::string> NamesFrom(const std::string& prefix) const;

 private:
  worker::PosixFile file_;
  std::map<std::string, worker::TensorInfo> tensors_;
};

// goldens/prompts.jsonl, in the file's order.
std::vector<GoldenCase> ReadGoldenCases(const std::string& model_folder);

// How far a position's logits are from what they should be.
struct LogitError {
  double max_abs = 0;
  double cosine_distance = 0;
  double kl = 0;  // of the softmax of `want` from that of `got`, nats
};
LogitError CompareLogits(std::span<const float> got, std::span<const float> want);

// The value that `share` of the values stay at or below. REQUIRES: values not empty.
double Quantile(std::vector<double> values, double share);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_GOLDEN_H_
