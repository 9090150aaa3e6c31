// What a connection has still to write.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_WRITE_QUEUE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_WRITE_QUEUE_H_

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace switchyard::gateway {

// Small pieces are joined, so that they go out together; large ones are moved, never copied. One
// thread at a time.
class WriteQueue {
 public:
  bool empty() const { return pieces_.empty(); }
  size_t num_bytes() const { return num_bytes_; }

  void Push(std::string bytes) {
    num_bytes_ += bytes.size();
    if (!pieces_.empty() && pieces_.back().size() + bytes.size() <= kMostJoinedBytes) {
      pieces_.back() += bytes;
    } else {
      pieces_.push_back(std::move(bytes));
    }
  }
  // What is to be written next. REQUIRES: !empty().
  std::string Pop() {
    std::string piece = std::move(pieces_.front());
    pieces_.pop_front();
    num_bytes_ -= piece.size();
    return piece;
  }

 private:
  static constexpr size_t kMostJoinedBytes = 64 << 10;

  std::deque<std::string> pieces_;
  size_t num_bytes_ = 0;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_WRITE_QUEUE_H_
