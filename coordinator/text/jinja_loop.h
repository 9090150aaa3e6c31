// The variable `loop` of a for statement.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_LOOP_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_LOOP_H_

#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/text/jinja_builtins.h"

namespace switchyard::text::jinja {

class Loop : public Object {
 public:
  explicit Loop(std::vector<Value> items) : items_(std::move(items)) {}

  bool HasItem() const { return index_ < items_.size(); }
  // REQUIRES: HasItem().
  const Value& item() const { return items_[index_]; }
  void Next() { ++index_; }

  std::string_view type_name() const override { return "LoopContext"; }
  std::optional<Value> GetAttribute(Runtime& runtime, std::string_view name) override {
    static constexpr Builtin kCycle{"cycle", Cycle, "*"};
    const auto index = int64_t(index_);
    const auto length = int64_t(items_.size());
    if (name == "index") return Value(index + 1);
    if (name == "index0") return Value(index);
    if (name == "revindex") return Value(length - index);
    if (name == "revindex0") return Value(length - index - 1);
    if (name == "first") return Value(index == 0);
    if (name == "last") return Value(index + 1 == length);
    if (name == "length") return Value(length);
    // Jinja counts the levels of recursive loops, of which there are none here.
    if (name == "depth") return Value(int64_t{1});
    if (name == "depth0") return Value(int64_t{0});
    if (name == "previtem") {
      return index > 0 ? items_[index_ - 1] : Value::Undefined("there is no previous item");
    }
    if (name == "nextitem") {
      return index + 1 < length ? items_[index_ + 1] : Value::Undefined("there is no next item");
    }
    if (name == "cycle") return runtime.NewObject<BoundBuiltin>(kCycle, Value(this));
    return std::nullopt;
  }

 private:
  static absl::StatusOr<Value> Cycle(Runtime&, const Value& self, const Args& args) {
    if (args.positional.empty()) return Fault("no items for cycling given");
    return args.positional[static_cast<Loop&>(self.object()).index_ % args.positional.size()];
  }

  const std::vector<Value> items_;
  size_t index_ = 0;
};

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_LOOP_H_
