#include "emulator/nccl/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace emu {
namespace {

constexpr uint64_t kIdMagic = 0x6463636e'79776273;

// What an ncclUniqueId of ours holds.
struct IdContent {
  uint64_t magic;
  uint64_t nonce;
  int32_t pid;
  int32_t descriptor;
};
static_assert(sizeof(IdContent) <= sizeof(ncclUniqueId));
static_assert(sizeof(SharedHeader) <= 4096);

constexpr size_t kHeaderBytes = 4096;
constexpr size_t kRankBytes = (sizeof(RankBlock) + 63) / 64 * 64;
static_assert(alignof(RankBlock) <= 64 && alignof(Channel) <= 64);

size_t SegmentBytes(int num_ranks) {
  const auto n = static_cast<size_t>(num_ranks);
  return kHeaderBytes + n * kRankBytes + n * n * sizeof(Channel);
}

Outcome SystemFailure(const std::string& what) {
  return {ncclSystemError, what + ": " + std::strerror(errno)};
}

// The segments that this process made and whose ranks have not all joined yet.
class OpenSegments {
 public:
  void Add(int descriptor, SharedHeader* header) {
    const std::lock_guard lock(mutex_);
    entries_.push_back({descriptor, header});
  }

  void ReleaseComplete() {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [](const Entry& entry) {
      const int num_ranks = entry.header->num_ranks.load();
      const bool complete = num_ranks > 0 && entry.header->num_joined.load() >= num_ranks;
      if (complete) {
        munmap(entry.header, kHeaderBytes);
        close(entry.descriptor);
      }
      return complete;
    });
  }

 private:
  struct Entry {
    int descriptor;
    SharedHeader* header;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

OpenSegments& TheOpenSegments() {
  static auto* segments = new OpenSegments;  // lives until the process ends
  return *segments;
}

uint64_t NewNonce() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32 | random()) | 1;
}

// Maps the first `bytes` of an open memory file; null where the system refuses.
void* Map(int descriptor, size_t bytes) {
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return base == MAP_FAILED ? nullptr : base;
}

// Whether the header that was found is the one that the id means, and all ranks say one number.
Outcome Check(SharedHeader& header, uint64_t nonce, int num_ranks) {
  if (header.nonce != nonce) {
    return {ncclRemoteError, "the process that made the unique id is gone"};
  }
  int expected = 0;
  if (!header.num_ranks.compare_exchange_strong(expected, num_ranks) && expected != num_ranks) {
    return {ncclInvalidUsage, "one rank says " + std::to_string(num_ranks) + " ranks, another " +
                                  std::to_string(expected)};
  }
  return {};
}

}  // namespace

Outcome Segment::Create(ncclUniqueId* id) {
  ReleaseComplete();
  const int descriptor = memfd_create("switchyard-nccl", MFD_CLOEXEC);
  if (descriptor < 0) return SystemFailure("memfd_create");
  void* base = ftruncate(descriptor, kHeaderBytes) == 0 ? Map(descriptor, kHeaderBytes) : nullptr;
  if (base == nullptr) {
    const Outcome outcome = SystemFailure("shared memory");
    close(descriptor);
    return outcome;
  }
  auto* header = static_cast<SharedHeader*>(base);
  header->nonce = NewNonce();
  TheOpenSegments().Add(descriptor, header);
  const IdContent content = {.magic = kIdMagic,
                             .nonce = header->nonce,
                             .pid = static_cast<int32_t>(getpid()),
                             .descriptor = descriptor};
  std::memset(id, 0, sizeof *id);
  std::memcpy(id, &content, sizeof content);
  return {};
}

Outcome Segment::Open(const ncclUniqueId& id, int num_ranks, std::unique_ptr<Segment>* segment) {
  IdContent content;
  std::memcpy(&content, &id, sizeof content);
  if (content.magic != kIdMagic) {
    return {ncclInvalidArgument, "the unique id is not one of this library's"};
  }
  const std::string path =
      "/proc/" + std::to_string(content.pid) + "/fd/" + std::to_string(content.descriptor);
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    return {ncclRemoteError, "the process that made the unique id (" + std::to_string(content.pid) +
                                 ") is gone: " + path + ": " + std::strerror(errno)};
  }
  // A process id and a descriptor may both be somebody else's by now: look before growing it.
  struct stat info = {};
  const size_t bytes = SegmentBytes(num_ranks);
  void* head = fstat(descriptor, &info) == 0 && info.st_size >= off_t{kHeaderBytes}
                   ? Map(descriptor, kHeaderBytes)
                   : nullptr;
  Outcome outcome = {ncclRemoteError, "the process that made the unique id is gone"};
  if (head != nullptr) {
    outcome = Check(*static_cast<SharedHeader*>(head), content.nonce, num_ranks);
    munmap(head, kHeaderBytes);
  }
  void* base = nullptr;
  if (outcome.ok()) {
    base = ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 ? Map(descriptor, bytes) : nullptr;
    if (base == nullptr) outcome = SystemFailure("shared memory");
  }
  close(descriptor);
  if (outcome.ok()) segment->reset(new Segment(static_cast<std::byte*>(base), bytes, num_ranks));
  return outcome;
}

void Segment::ReleaseComplete() { TheOpenSegments().ReleaseComplete(); }

Segment::~Segment() { munmap(base_, bytes_); }

SharedHeader& Segment::header() const { return *reinterpret_cast<SharedHeader*>(base_); }

RankBlock& Segment::rank(int rank) const {
  return *reinterpret_cast<RankBlock*>(base_ + kHeaderBytes +
                                       static_cast<size_t>(rank) * kRankBytes);
}

Channel& Segment::channel(int from, int to) const {
  const auto index =
      static_cast<size_t>(from) * static_cast<size_t>(num_ranks_) + static_cast<size_t>(to);
  std::byte* channels = base_ + kHeaderBytes + static_cast<size_t>(num_ranks_) * kRankBytes;
  return reinterpret_cast<Channel*>(channels)[index];
}

void Segment::RingAll() const {
  for (int r = 0; r < num_ranks_; ++r) rank(r).doorbell.Ring();
}

}  // namespace emu
