#include "worker/weights/mapped_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <limits>
#include <set>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/units.h"
#include "worker/weights/read_engine.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPoll(100);
constexpr int64_t kNotWhole = std::numeric_limits<int64_t>::min();  // beside errnos
#ifndef MADV_POPULATE_READ
constexpr int MADV_POPULATE_READ = 22;  // Linux 5.14
#endif

// What threads share that bring in a range: it lives as long as the last of them, for a disk that
// never answers holds its thread.
struct Range {
  std::shared_ptr<const MappedFile> file;
  int64_t begin;
  int64_t end;
  int64_t step;
  std::function<bool(int64_t, std::span<const std::byte>)> is_whole;
  std::atomic<int64_t> next;
  std::atomic<bool> stopped = false;
  ReadResults results;  // id: where a step begins; result: its bytes, or an errno, negated

  void Work() {
    for (int64_t at; !stopped && (at = next.fetch_add(step)) < end;) {
      results.Push({static_cast<uint64_t>(at), BringIn(at, std::min(step, end - at))});
    }
  }

  int64_t BringIn(int64_t at, int64_t count) const {
    const std::span<const std::byte> bytes =
        file->bytes().subspan(static_cast<size_t>(at), static_cast<size_t>(count));
    auto* const address = const_cast<std::byte*>(bytes.data());
    if (madvise(address, bytes.size(), MADV_POPULATE_READ) != 0) return -int64_t{errno};
    return !is_whole || is_whole(at, bytes) ? count : kNotWhole;
  }
};

absl::Status Failed(const std::string& path, const ReadResult& result) {
  if (result.result == kNotWhole) {
    return absl::DataLossError(
        fmt::format("{}: bytes from {} on are not what was written", path, result.id));
  }
  if (result.result == -EINVAL) {
    return absl::UnimplementedError("this system cannot bring in mapped pages");
  }
  errno = result.result == -EFAULT ? EIO : static_cast<int>(-result.result);
  return ErrnoStatus(path, fmt::format("read at byte {}", result.id));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Map(std::string path, int fd,
                                                                  int64_t num_bytes) {
  void* const data = mmap(nullptr, static_cast<size_t>(num_bytes), PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return ErrnoStatus(path, "map");
  madvise(data, static_cast<size_t>(num_bytes), MADV_HUGEPAGE);  // only advice
  return std::shared_ptr<const MappedFile>(
      new MappedFile(std::move(path), static_cast<std::byte*>(data), num_bytes));
}

MappedFile::MappedFile(std::string path, std::byte* data, int64_t num_bytes)
    : path_(std::move(path)), data_(data), num_bytes_(num_bytes) {}

MappedFile::~MappedFile() { munmap(data_, static_cast<size_t>(num_bytes_)); }

absl::Status MappedFile::BringIn(int64_t begin, int64_t end, const BringInOptions& options) const {
  constexpr int64_t kPage = 4096;
  begin = begin / kPage * kPage;
  const std::shared_ptr<Range> range(new Range{.file = shared_from_this(),
                                               .begin = begin,
                                               .end = end,
                                               .step = options.step_bytes,
                                               .is_whole = options.is_whole,
                                               .next = begin});
  // In the order in which steps are begun: the first is the one that has waited longest.
  std::set<int64_t> waiting;
  for (int64_t at = begin; at < end; at += options.step_bytes) waiting.insert(at);
  const int64_t steps = std::ssize(waiting);
  for (int64_t i = 0; i < std::min<int64_t>(options.num_threads, steps); ++i) {
    std::thread([range] { range->Work(); }).detach();
  }
  struct Stop {
    Range& range;
    ~Stop() { range.stopped = true; }
  } stop{*range};
  milliseconds silence{0};
  for (int64_t done = 0; !waiting.empty();) {
    if (options.cancelled && options.cancelled()) {
      return absl::CancelledError("loading was cancelled");
    }
    const std::optional<ReadResult> result = range->results.Pop(kPoll);
    if (!result.has_value()) {
      silence += kPoll;
      if (silence < options.max_silence) continue;
      return absl::DeadlineExceededError(fmt::format(
          "{}: loading is stuck: for {} s no byte has come of a read at byte {}; {} of {} bytes "
          "were read; see whether the disk or its network answers",
          path_, std::chrono::duration<double>(options.max_silence).count(), *waiting.begin(), done,
          end - begin));
    }
    silence = milliseconds(0);
    if (result->result < 0) return Failed(path_, *result);
    waiting.erase(static_cast<int64_t>(result->id));
    done += result->result;
    if (options.progress) options.progress(done, end - begin);
  }
  return absl::OkStatus();
}

int64_t MappedFile::huge_bytes() const {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(data_);
  int64_t huge = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    int64_t kib = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      inside = begin < wanted + static_cast<uintptr_t>(num_bytes_) && end > wanted;
    } else if (inside && std::sscanf(line.c_str(), "FilePmdMapped: %" SCNd64, &kib) == 1) {
      huge += kib * kKiB;
    } else if (inside && std::sscanf(line.c_str(), "ShmemPmdMapped: %" SCNd64, &kib) == 1) {
      huge += kib * kKiB;
    }
  }
  return huge;
}

}  // namespace switchyard::worker
