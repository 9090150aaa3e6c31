// One rendering of a template: what it may cost, and the owner of all that it makes.
//
// Templates come with models and messages from strangers, so time and memory are bounded. Costs are
// charged where they arise; the first that exceeds its limit makes the runtime exhausted for good.
// Operations may then return anything cheap: the evaluator looks before each step and ends the
// rendering with RESOURCE_EXHAUSTED.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_RUNTIME_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_RUNTIME_H_

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

struct Limits {
  int64_t work_max =
      10'000'000;  // evaluated nodes, list items touched, 64-byte pieces of text touched
  int64_t memory_bytes_max = 256 << 20;  // all that one rendering makes, freed or not
  size_t text_bytes_max = 32 << 20;      // one string; the output is one
  int64_t range_items_max = 100'000;     // of range()
  int depth_max = 600;                   // nested evaluations, macro calls among them
  int value_depth_max = 200;             // nesting of a list or dict that is printed or compared
};

class Runtime {
 public:
  // `now` is what strftime_now sees.
  Runtime(const Limits& limits, const std::tm& now) : limits_(limits), now_(now) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const Limits& limits() const { return limits_; }
  const std::tm& now() const { return now_; }

  // Both return false once the runtime is exhausted.
  bool Work(int64_t amount);
  bool Memory(size_t bytes);
  void Exhaust(std::string reason);
  bool exhausted() const { return !exhaustion_.empty(); }
  absl::Status ExhaustedStatus() const;

  // Appends to a string that is being made; false, and nothing appended, if that exceeds a limit.
  bool Append(Text& text, std::string_view bytes, bool from_user);
  bool Append(Text& text, const Text& more);

  Value NewString(Text text);
  Value NewString(std::string text) { return NewString(Text(std::move(text))); }
  Value NewList(std::vector<Value> items, bool is_tuple = false);
  Value NewTuple(std::vector<Value> items) { return NewList(std::move(items), true); }
  Dict& NewDict();
  template <typename T, typename... CtorArgs>
  Value NewObject(CtorArgs&&... args) {
    Memory(sizeof(T) + kObjectOverheadBytes);
    objects_.push_back(std::make_unique<T>(std::forward<CtorArgs>(args)...));
    return Value(objects_.back().get());
  }

  // The template's own error message is the user's to see, unchanged.
  absl::Status Raise(std::string message) {
    raised_ = true;
    return absl::InvalidArgumentError(message);
  }
  bool raised() const { return raised_; }

 private:
  static constexpr size_t kObjectOverheadBytes = 32;

  const Limits limits_;
  const std::tm now_;
  int64_t work_ = 0;
  int64_t memory_bytes_ = 0;
  bool raised_ = false;
  std::string exhaustion_;
  std::vector<std::unique_ptr<List>> lists_;
  std::vector<std::unique_ptr<Dict>> dicts_;
  std::vector<std::unique_ptr<Object>> objects_;
};

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_RUNTIME_H_
