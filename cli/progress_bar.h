// One line on the terminal for work that takes over a second: share done, amount, rate, time left.
#ifndef SWITCHYARD_CLI_PROGRESS_BAR_H_
#define SWITCHYARD_CLI_PROGRESS_BAR_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace switchyard::cli {

// "loading  [#####...............]  25 %  1.00 GiB of 4.00 GiB  512.0 MiB/s  6 s left". REQUIRES:
// 0 <= done <= total.
std::string ProgressLine(std::string_view label, int64_t bytes_done, int64_t bytes_total,
                         double seconds_elapsed);

// Draws on stderr, at most ten times a second; silent if that is no terminal. Any thread may call
// it.
class ProgressBar {
 public:
  ProgressBar(std::string label, int64_t bytes_total);
  // Ends the line, if there is one.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Set(int64_t bytes_done);
  void Add(int64_t num_bytes);

 private:
  using Clock = std::chrono::steady_clock;

  void DrawIfDue();  // REQUIRES: mutex_ held

  const std::string label_;
  const int64_t bytes_total_;
  const bool enabled_;
  const Clock::time_point start_;
  std::mutex mutex_;
  int64_t bytes_done_ = 0;
  Clock::time_point next_draw_;
  bool drawn_ = false;
};

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PROGRESS_BAR_H_
