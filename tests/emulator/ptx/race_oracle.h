// Happens-before by brute force: the definition that the race detector's clocks are held against.
// Every event is a node that knows all nodes before it; an access races if an earlier one of the
// same bytes conflicts with it and is not before it.
#ifndef SWITCHYARD_TESTS_EMULATOR_PTX_RACE_ORACLE_H_
#define SWITCHYARD_TESTS_EMULATOR_PTX_RACE_ORACLE_H_

#include <bitset>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <vector>

namespace emu {

constexpr int kMaxNodes = 1024;

// The verdict on one access.
enum class Verdict { kOrdered, kRace, kNotFenced };

class RaceOracle {
 public:
  using Node = int;
  static constexpr Node kNone = -1;

  struct Actor {
    int thread = 0;      // a real thread, or whose copy it is
    Node at = kNone;     // the access itself
    bool async = false;  // through the async proxy
    bool copy = false;   // by cp.async
    Node end = kNone;    // copy: the node of its end, filled in later
  };

  explicit RaceOracle(int num_threads) : last_(num_threads, kNone), fences_(num_threads) {}

  int size() const { return static_cast<int>(before_.size()); }

  // A node after all of `after` (kNone is ignored).
  Node Add(std::initializer_list<Node> after) {
    std::bitset<kMaxNodes> before;
    for (const Node node : after) {
      if (node == kNone) continue;
      before |= before_[node];
      before.set(node);
    }
    before_.push_back(before);
    return size() - 1;
  }
  // The next event of a thread, after `also` too.
  Node Step(int thread, Node also = kNone) { return last_[thread] = Add({last_[thread], also}); }
  Node last(int thread) const { return last_[thread]; }
  void Fence(int thread) { fences_[thread].push_back(Step(thread)); }

  bool Before(Node a, Node b) const { return a == b || before_[b][a]; }

  Verdict Check(const Actor& actor, uint64_t byte, bool write) const {
    const auto it = bytes_.find(byte);
    if (it == bytes_.end()) return Verdict::kOrdered;
    const Byte& known = it->second;
    if (known.written) {
      if (!Ordered(known.writer, actor)) return Verdict::kRace;
      if (actor.async && !known.writer.async && !Fenced(known.writer, actor)) {
        return Verdict::kNotFenced;
      }
    }
    if (!write) return Verdict::kOrdered;
    for (const Actor& reader : known.readers) {
      if (!Ordered(reader, actor)) return Verdict::kRace;
    }
    return Verdict::kOrdered;
  }

  void Record(const Actor& actor, uint64_t byte, bool write) {
    Byte& known = bytes_[byte];
    if (write) {
      known = {actor, true, {}};
    } else {
      known.readers.push_back(actor);
    }
  }

  // The end of the asynchronous operation whose access node this is.
  void SetEnd(Node access, Node end) { ends_[access] = end; }

 private:
  struct Byte {
    Actor writer;
    bool written = false;
    std::vector<Actor> readers;
  };

  // An access is over at its end: for an asynchronous one, the node that says so.
  bool Ordered(const Actor& earlier, const Actor& later) const {
    const auto end = ends_.find(earlier.at);
    if (end == ends_.end()) return Before(earlier.at, later.at);
    return end->second != kNone && Before(end->second, later.at);
  }

  bool Fenced(const Actor& writer, const Actor& reader) const {
    if (!writer.copy) {
      for (const Node fence : fences_[writer.thread]) {
        if (fence > writer.at && Before(fence, reader.at)) return true;
      }
      return false;
    }
    // A copy: any fence by a thread that knew of its end.
    const auto end = ends_.find(writer.at);
    if (end == ends_.end() || end->second == kNone) return false;
    for (const auto& fences : fences_) {
      for (const Node fence : fences) {
        if (Before(end->second, fence) && Before(fence, reader.at)) return true;
      }
    }
    return false;
  }

  std::vector<std::bitset<kMaxNodes>> before_;
  std::vector<Node> last_;                 // by thread
  std::vector<std::vector<Node>> fences_;  // fence.proxy.async, by thread
  std::map<uint64_t, Byte> bytes_;
  std::map<Node, Node> ends_;  // asynchronous accesses; kNone: not over
};

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_PTX_RACE_ORACLE_H_
