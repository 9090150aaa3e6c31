#include "emulator/cudart/scheduler.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "emulator/cudart/device.h"

namespace emu {
namespace {

using std::chrono::milliseconds;

// How long a wait that meets a blocked operation holds out before it lets other streams go on.
constexpr milliseconds kPatience(5);
// How long what is seen outside may stay queued when nobody waits for it.
constexpr milliseconds kOutsideDelay(10);

}  // namespace

Scheduler::Scheduler(std::mutex& mutex, const Settings& settings)
    : mutex_(mutex),
      settings_(settings),
      random_(static_cast<std::minstd_rand::result_type>(settings.interpreter.seed)) {}

void Scheduler::AddStream(const std::shared_ptr<Stream>& stream) { streams_.push_back(stream); }

void Scheduler::Retire(const std::shared_ptr<Stream>& stream) {
  retired_.push_back(stream);
  DropRetired();
}

void Scheduler::DropRetired() {
  std::erase_if(retired_, [this](const std::shared_ptr<Stream>& stream) {
    if (!stream->idle()) return false;
    std::erase(streams_, stream);
    return true;
  });
}

void Scheduler::Enqueue(Lock& lock, Stream& stream, Operation operation) {
  operation.queued_at = std::chrono::steady_clock::now();
  stream.queue.push_back(std::move(operation));
  ++stream.queued;
  ++num_pending_;
  if (settings_.streams == StreamOrder::kEager) {
    RunAllReady(lock);
    return;
  }
  if (settings_.progress_ms == 0) return;
  if (!std::exchange(has_progress_thread_, true)) {
    std::thread([this] { ProgressLoop(); }).detach();
  }
  queued_.notify_one();
}

bool Scheduler::Ready(const Stream& stream) {
  if (stream.running || stream.queue.empty()) return false;
  const std::vector<Point>& after = stream.queue.front().after;
  return std::all_of(after.begin(), after.end(), [](const Point& p) { return p.Reached(); });
}

// The stream whose first operation must and can run so that `stream` gets on; null: all that is
// needed has started.
Stream* Scheduler::NeededBy(Stream& stream, std::vector<const Stream*>* seen) {
  if (stream.running || stream.queue.empty()) return nullptr;
  if (std::find(seen->begin(), seen->end(), &stream) != seen->end()) return nullptr;
  seen->push_back(&stream);
  bool ready = true;
  for (const Point& point : stream.queue.front().after) {
    if (point.Reached()) continue;
    ready = false;
    if (Stream* needed = NeededBy(*point.stream, seen)) return needed;
  }
  return ready ? &stream : nullptr;
}

Stream* Scheduler::AnyReady() {
  std::vector<Stream*> ready;
  for (const auto& stream : streams_) {
    if (Ready(*stream)) ready.push_back(stream.get());
  }
  if (ready.empty()) return nullptr;
  return settings_.streams == StreamOrder::kRandom ? ready[random_() % ready.size()] : ready[0];
}

Stream* Scheduler::Choose(const Point& target) {
  if (settings_.streams == StreamOrder::kRandom) {
    if (Stream* any = AnyReady()) return any;
  }
  std::vector<const Stream*> seen;
  return NeededBy(*target.stream, &seen);
}

void Scheduler::RunHead(Lock& lock, Stream& stream) {
  Operation operation = std::move(stream.queue.front());
  stream.queue.pop_front();
  stream.running = true;
  if (!operation.may_block) {
    Execute(lock, stream, std::move(operation));
    return;
  }
  const auto owner = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto& held) { return held.get() == &stream; });
  for_helpers_.push_back({*owner, std::move(operation)});
  ++num_blocking_;
  if (for_helpers_.size() > idle_helpers_) {
    std::thread([this] { HelperLoop(); }).detach();
  }
  helper_wanted_.notify_one();
}

void Scheduler::Execute(Lock& lock, Stream& stream, Operation operation) {
  const bool dead = stream.device->sticky != cudaSuccess;
  lock.unlock();
  cudaError_t error = cudaSuccess;
  if (!dead && operation.run) error = operation.run();
  operation = {};  // what it held may be freed by user code: not under the lock
  lock.lock();
  if (error != cudaSuccess && stream.device->sticky == cudaSuccess) {
    stream.device->sticky = error;
  }
  ++stream.done;
  --num_pending_;
  stream.running = false;
  progress_.notify_all();
  if (!retired_.empty()) DropRetired();
}

void Scheduler::WaitFor(Lock& lock, const Point& target) {
  while (!target.Reached()) {
    if (Stream* next = Choose(target)) {
      RunHead(lock, *next);
      continue;
    }
    const bool in_time = progress_.wait_for(lock, kPatience) == std::cv_status::no_timeout;
    if (in_time || target.Reached() || num_blocking_ == 0) continue;
    if (Stream* other = AnyReady()) RunHead(lock, *other);
  }
}

void Scheduler::WaitForDevice(Lock& lock, const Device& device) {
  std::vector<Point> targets;
  for (const auto& stream : streams_) {
    if (stream->device == &device) targets.push_back({stream, stream->queued});
  }
  for (const Point& target : targets) WaitFor(lock, target);
}

void Scheduler::Nudge(Lock& lock, const Point& target) {
  if (target.Reached()) return;
  if (Stream* next = Choose(target)) RunHead(lock, *next);
}

void Scheduler::RunAllReady(Lock& lock) {
  while (Stream* stream = AnyReady()) RunHead(lock, *stream);
}

void Scheduler::HelperLoop() {
  Lock lock(mutex_);
  for (;;) {
    ++idle_helpers_;
    helper_wanted_.wait(lock, [this] { return !for_helpers_.empty(); });
    --idle_helpers_;
    Blocking next = std::move(for_helpers_.front());
    for_helpers_.pop_front();
    Execute(lock, *next.stream, std::move(next.operation));
    --num_blocking_;
    if (settings_.streams == StreamOrder::kEager) RunAllReady(lock);
  }
}

// A stream that must go on although nobody waits for it.
Stream* Scheduler::Overdue() {
  const auto now = std::chrono::steady_clock::now();
  const milliseconds delay(settings_.progress_ms);
  for (const auto& stream : streams_) {
    const bool overdue =
        std::any_of(stream->queue.begin(), stream->queue.end(), [&](const Operation& operation) {
          const milliseconds limit =
              operation.seen_outside ? std::min(kOutsideDelay, delay) : delay;
          return now - operation.queued_at >= limit;
        });
    if (!overdue) continue;
    std::vector<const Stream*> seen;
    if (Stream* next = NeededBy(*stream, &seen)) return next;
  }
  return nullptr;
}

void Scheduler::ProgressLoop() {
  Lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [this] { return num_pending_ > 0; });
    if (Stream* stream = Overdue()) {
      RunHead(lock, *stream);
      continue;
    }
    lock.unlock();
    std::this_thread::sleep_for(kOutsideDelay);
    lock.lock();
  }
}

}  // namespace emu
