#include "coordinator/text/jinja_runtime.h"

namespace switchyard::text::jinja {
namespace {

constexpr size_t kTextBytesPerWork = 64;

}  // namespace

bool Runtime::Work(int64_t amount) {
  if (exhausted()) return false;
  work_ += amount;
  if (work_ > limits_.work_max) Exhaust(fmt::format("more than {} steps", limits_.work_max));
  return !exhausted();
}

bool Runtime::Memory(size_t bytes) {
  if (exhausted()) return false;
  if (bytes > size_t(limits_.memory_bytes_max - memory_bytes_)) {
    Exhaust(fmt::format("more than {} bytes of values", limits_.memory_bytes_max));
    return false;
  }
  memory_bytes_ += int64_t(bytes);
  return Work(int64_t(bytes / kTextBytesPerWork));
}

void Runtime::Exhaust(std::string reason) {
  if (!exhausted()) exhaustion_ = std::move(reason);
}

absl::Status Runtime::ExhaustedStatus() const {
  return absl::ResourceExhaustedError(
      fmt::format("the chat template asks for too much: {}", exhaustion_));
}

bool Runtime::Append(Text& text, std::string_view bytes, bool from_user) {
  if (exhausted()) return false;
  if (bytes.size() > limits_.text_bytes_max - text.size()) {
    Exhaust(fmt::format("a text of more than {} bytes", limits_.text_bytes_max));
    return false;
  }
  text.Append(bytes, from_user);
  return Memory(bytes.size());
}

bool Runtime::Append(Text& text, const Text& more) {
  if (exhausted()) return false;
  if (more.size() > limits_.text_bytes_max - text.size()) {
    Exhaust(fmt::format("a text of more than {} bytes", limits_.text_bytes_max));
    return false;
  }
  text.Append(more);
  return Memory(more.footprint());
}

Value Runtime::NewString(Text text) {
  // Counted beside the text itself: the control block and the Text object.
  constexpr size_t kOverheadBytes = sizeof(Text) + 16;
  Memory(text.footprint() + kOverheadBytes);
  return Value(std::make_shared<const Text>(std::move(text)));
}

Value Runtime::NewList(std::vector<Value> items, bool is_tuple) {
  Memory(sizeof(List) + items.size() * sizeof(Value));
  Work(int64_t(items.size()));
  lists_.push_back(std::make_unique<List>(List{.items = std::move(items), .is_tuple = is_tuple}));
  return Value(lists_.back().get());
}

Dict& Runtime::NewDict() {
  Memory(sizeof(Dict) + kObjectOverheadBytes);
  dicts_.push_back(std::make_unique<Dict>());
  return *dicts_.back();
}

}  // namespace switchyard::text::jinja
