// How fast bytes come, over the last seconds.
#ifndef SWITCHYARD_WORKER_LOAD_RATE_H_
#define SWITCHYARD_WORKER_LOAD_RATE_H_

#include <chrono>
#include <cstdint>
#include <deque>

namespace switchyard::worker {

// Thread: one caller at a time.
class LoadRate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kWindow{5};

  // `bytes_done` in all at `now`; neither goes back. Bytes per second since the oldest call in the
  // window, or since the last one before it; 0 at the first call.
  double Update(Time now, int64_t bytes_done) {
    while (samples_.size() > 1 && samples_[1].time + kWindow <= now) samples_.pop_front();
    samples_.push_back({now, bytes_done});
    const double seconds = std::chrono::duration<double>(now - samples_.front().time).count();
    return seconds > 0 ? double(bytes_done - samples_.front().bytes) / seconds : 0;
  }

 private:
  struct Sample {
    Time time;
    int64_t bytes;
  };
  std::deque<Sample> samples_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LOAD_RATE_H_
