// A digest of each row of logits, for holding two runs against each other that cannot be in memory
// at once.
#ifndef SWITCHYARD_BENCH_FULL_WIDTH_LOGITS_LOG_H_
#define SWITCHYARD_BENCH_FULL_WIDTH_LOGITS_LOG_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/status.h"

namespace switchyard::bench {

class LogitsLog {
 public:
  explicit LogitsLog(int64_t row_elements) : row_elements_(row_elements) {}

  // Any thread. logits: f32 [row_elements].
  void Add(uint64_t sequence_id, int32_t position, const float* logits);

  int64_t num_rows() const { return static_cast<int64_t>(digests_.size()); }
  // Logits that are neither finite nor all equal say nothing about a model.
  int64_t num_dull_rows() const { return num_dull_rows_; }

  // "SEQUENCE POSITION SHA256" lines.
  absl::Status Save(const std::string& path) const;
  // FAILED_PRECONDITION names the first row that is not the same to the bit as when `path` was
  // saved, or that is in one run only.
  absl::Status CompareWith(const std::string& path) const;

 private:
  using Place = std::pair<uint64_t, int32_t>;  // sequence, position
  const int64_t row_elements_;
  std::mutex mutex_;
  std::map<Place, std::string> digests_;
  int64_t num_dull_rows_ = 0;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_FULL_WIDTH_LOGITS_LOG_H_
