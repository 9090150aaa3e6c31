#include "bench/full_width/logits_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <sstream>

#include "base/check.h"
#include "base/file.h"
#include "base/units.h"

namespace switchyard::bench {
namespace {

constexpr int64_t kMaxLogBytes = 64 * kMiB;

std::string Sha256(std::span<const float> row) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  SY_CHECK(EVP_Digest(row.data(), row.size_bytes(), digest, &size, EVP_sha256(), nullptr) == 1);
  return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
}

bool IsDull(std::span<const float> row) {
  const auto [least, most] = std::minmax_element(row.begin(), row.end());
  return *least == *most ||
         !std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

void LogitsLog::Add(uint64_t sequence_id, int32_t position, const float* logits) {
  const std::span<const float> row(logits, static_cast<size_t>(row_elements_));
  std::string digest = Sha256(row);
  std::lock_guard lock(mutex_);
  num_dull_rows_ += IsDull(row) ? 1 : 0;
  digests_[{sequence_id, position}] = std::move(digest);
}

absl::Status LogitsLog::Save(const std::string& path) const {
  std::string text;
  for (const auto& [place, digest] : digests_) {
    text += fmt::format("{} {} {}\n", place.first, place.second, digest);
  }
  return WriteFile(path, text);
}

absl::Status LogitsLog::CompareWith(const std::string& path) const {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxLogBytes));
  std::istringstream lines(text);
  Place place;
  std::string digest;
  size_t num_rows = 0;
  for (; lines >> place.first >> place.second >> digest; ++num_rows) {
    const auto found = digests_.find(place);
    if (found != digests_.end() && found->second == digest) continue;
    return absl::FailedPreconditionError(fmt::format(
        "{}: logits of sequence {}, position {} are {}", path, place.first, place.second,
        found == digests_.end() ? "not in this run" : "not the same in this run"));
  }
  if (num_rows == digests_.size()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{}: has {} rows of logits, this run {}", path, num_rows, digests_.size()));
}

}  // namespace switchyard::bench
