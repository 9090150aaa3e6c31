#include "coordinator/text/jinja_access.h"

#include <algorithm>
#include <optional>

#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_print.h"

namespace switchyard::text::jinja {
namespace {

std::string Describe(const Value& value) {
  return value.is_none() ? "None" : fmt::format("{} object", TypeName(value));
}

Value NoAttribute(const Value& object, std::string_view name) {
  const bool is_null = object.is_dict() && !name.empty() && object.dict().null_member == name;
  return Value::Undefined(fmt::format("'{}' has no attribute '{}'", Describe(object), name),
                          is_null);
}

std::optional<Value> FindAttribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (const Builtin* method = FindMethod(object, name)) {
    return runtime.NewObject<BoundBuiltin>(*method, object);
  }
  if (object.is_object()) return object.object().GetAttribute(runtime, name);
  return std::nullopt;
}

// Text of the code points [begin, end).
Text CharSlice(const Text& text, size_t begin, size_t end) {
  const size_t first = CharOffset(text.bytes(), begin);
  const std::string_view rest = std::string_view(text.bytes()).substr(first);
  return text.Slice(first, first + CharOffset(rest, end - begin));
}

std::optional<Value> FindItem(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is_dict()) {
    const Value* value = object.dict().Find(runtime, key);
    return value != nullptr ? std::optional(*value) : std::nullopt;
  }
  if (!key.is_integral() || (!object.is_list() && !object.is_string())) return std::nullopt;
  if (object.is_string()) runtime.Memory(object.text().size());
  const auto length =
      int64_t(object.is_list() ? object.list().items.size() : CountChars(object.text().bytes()));
  const int64_t index = key.integer() < 0 ? key.integer() + length : key.integer();
  if (index < 0 || index >= length) return std::nullopt;
  if (object.is_list()) return object.list().items[size_t(index)];
  return runtime.NewString(CharSlice(object.text(), size_t(index), size_t(index) + 1));
}

// Positions of a slice, settled as Python does.
struct SliceRange {
  int64_t start, stop, step;
};

absl::StatusOr<SliceRange> Settle(const SliceBounds& bounds, int64_t length) {
  const auto is_given = [](const Value& bound) {
    return !bound.is_undefined() && !bound.is_none();
  };
  for (const Value* bound : {&bounds.start, &bounds.stop, &bounds.step}) {
    if (is_given(*bound) && !bound->is_integral()) {
      return Fault("slice indices must be integers or None, not {}", TypeName(*bound));
    }
  }
  SliceRange range{
      .start = 0, .stop = 0, .step = is_given(bounds.step) ? bounds.step.integer() : 1};
  if (range.step == 0) return Fault("slice step cannot be zero");
  // Beyond the length every step is the same; clamping keeps the sums below from overflowing.
  range.step = std::clamp<int64_t>(range.step, -length - 1, length + 1);
  const int64_t low = range.step > 0 ? 0 : -1;
  const int64_t high = range.step > 0 ? length : length - 1;
  const auto settle = [&](const Value& bound, int64_t fallback) {
    if (!is_given(bound)) return fallback;
    const int64_t at = bound.integer() < 0 ? bound.integer() + length : bound.integer();
    return std::clamp(at, low, high);
  };
  range.start = settle(bounds.start, range.step > 0 ? low : high);
  range.stop = settle(bounds.stop, range.step > 0 ? high : low);
  return range;
}

std::vector<Value> Characters(Runtime& runtime, const Text& text) {
  std::vector<Value> characters;
  text.ForEachChar([&](std::string_view character, bool from_user) {
    if (runtime.exhausted()) return;
    characters.push_back(runtime.NewString(Text(std::string(character), from_user)));
  });
  return characters;
}

}  // namespace

absl::StatusOr<Value> GetAttribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is_undefined()) return Fault("{}", object.reason());
  if (auto attribute = FindAttribute(runtime, object, name)) return *attribute;
  if (object.is_dict()) {
    if (const Value* value = object.dict().Find(runtime, name)) return *value;
  }
  return NoAttribute(object, name);
}

absl::StatusOr<Value> GetItem(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is_undefined()) return Fault("{}", object.reason());
  if (auto item = FindItem(runtime, object, key)) return *item;
  if (key.is_string()) {
    if (auto attribute = FindAttribute(runtime, object, key.text().bytes())) return *attribute;
    return NoAttribute(object, key.text().bytes());
  }
  return Value::Undefined(
      fmt::format("{} has no element {}", Describe(object), Repr(runtime, key).bytes()));
}

absl::StatusOr<Value> GetSlice(Runtime& runtime, const Value& object, const SliceBounds& bounds) {
  if (object.is_undefined()) return Fault("{}", object.reason());
  if (!object.is_list() && !object.is_string()) {
    return Fault("'{}' object cannot be sliced", TypeName(object));
  }
  SY_ASSIGN_OR_RETURN(const int64_t length, Length(runtime, object));
  SY_ASSIGN_OR_RETURN(const SliceRange range, Settle(bounds, length));
  if (object.is_string() && range.step == 1) {
    const int64_t stop = std::max(range.start, range.stop);
    return runtime.NewString(CharSlice(object.text(), size_t(range.start), size_t(stop)));
  }
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, object));
  std::vector<Value> picked;
  if (!runtime.exhausted()) {
    for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop;
         i += range.step) {
      picked.push_back(items[size_t(i)]);
    }
  }
  if (object.is_list()) return runtime.NewList(std::move(picked), object.list().is_tuple);
  Text text;
  for (const Value& character : picked) runtime.Append(text, character.text());
  return runtime.NewString(std::move(text));
}

absl::StatusOr<std::vector<Value>> Iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::vector<Value>();
    case Kind::kString:
      return Characters(runtime, value.text());
    case Kind::kList:
      if (!runtime.Memory(value.list().items.size() * sizeof(Value))) return std::vector<Value>();
      return value.list().items;
    case Kind::kDict: {
      std::vector<Value> keys;
      if (!runtime.Memory(value.dict().items.size() * sizeof(Value))) return keys;
      for (const auto& [key, unused] : value.dict().items) keys.push_back(key);
      return keys;
    }
    default:
      return Fault("'{}' object is not iterable", TypeName(value));
  }
}

absl::StatusOr<int64_t> Length(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      runtime.Memory(value.text().size());
      return int64_t(CountChars(value.text().bytes()));
    case Kind::kList:
      return int64_t(value.list().items.size());
    case Kind::kDict:
      return int64_t(value.dict().items.size());
    default:
      return Fault("object of type '{}' has no len()", TypeName(value));
  }
}

}  // namespace switchyard::text::jinja
