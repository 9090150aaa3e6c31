#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/units.h"

namespace switchyard::cli {
namespace {

constexpr int kCells = 20;
constexpr auto kFirstDraw = std::chrono::milliseconds(500);
constexpr auto kRedraw = std::chrono::milliseconds(100);

}  // namespace

std::string ProgressLine(std::string_view label, int64_t bytes_done, int64_t bytes_total,
                         double seconds_elapsed) {
  const double share = bytes_total > 0 ? double(bytes_done) / double(bytes_total) : 1.0;
  const int full = int(share * kCells);
  std::string line = fmt::format("{}  [{}{}]  {} %  {} of {}", label, std::string(full, '#'),
                                 std::string(kCells - full, '.'), int(share * 100),
                                 FormatBytes(bytes_done), FormatBytes(bytes_total));
  if (bytes_done == 0 || seconds_elapsed <= 0) return line;
  const double bytes_per_second = double(bytes_done) / seconds_elapsed;
  return line + fmt::format("  {}/s  {:.0f} s left", FormatBytes(int64_t(bytes_per_second)),
                            double(bytes_total - bytes_done) / bytes_per_second);
}

ProgressBar::ProgressBar(std::string label, int64_t bytes_total)
    : label_(std::move(label)),
      bytes_total_(bytes_total),
      enabled_(isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      next_draw_(start_ + kFirstDraw) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputc('\n', stderr);
}

void ProgressBar::Set(int64_t bytes_done) {
  std::lock_guard lock(mutex_);
  bytes_done_ = bytes_done;
  DrawIfDue();
}

void ProgressBar::Add(int64_t num_bytes) {
  std::lock_guard lock(mutex_);
  bytes_done_ += num_bytes;
  DrawIfDue();
}

void ProgressBar::DrawIfDue() {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  const bool last = drawn_ && bytes_done_ >= bytes_total_;
  if (now < next_draw_ && !last) return;
  next_draw_ = now + kRedraw;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  // Return to the line's beginning and clear what an older, longer line left.
  fmt::print(stderr, "\r{}\x1b[K", ProgressLine(label_, bytes_done_, bytes_total_, seconds));
  std::fflush(stderr);
}

}  // namespace switchyard::cli
