// Methods of lists and dicts.
#include <algorithm>

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_operators.h"
#include "coordinator/text/jinja_print.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// --- Lists ---------------------------------------------------------------------------------------

// Tuples do not change.
absl::Status CheckMutable(const Value& self) {
  if (self.list().is_tuple) return Fault("a tuple cannot be changed");
  return absl::OkStatus();
}

Result AppendMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_RETURN_IF_ERROR(CheckMutable(self));
  if (runtime.Memory(sizeof(Value))) self.list().items.push_back(args.positional[0]);
  return Value::None();
}

Result ExtendMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_RETURN_IF_ERROR(CheckMutable(self));
  SY_ASSIGN_OR_RETURN(const std::vector<Value> more, Iterate(runtime, args.positional[0]));
  if (runtime.Memory(more.size() * sizeof(Value))) {
    self.list().items.insert(self.list().items.end(), more.begin(), more.end());
  }
  return Value::None();
}

Result InsertMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_RETURN_IF_ERROR(CheckMutable(self));
  std::vector<Value>& items = self.list().items;
  const auto size = int64_t(items.size());
  SY_ASSIGN_OR_RETURN(const int64_t index, IntArg(args, 0, 0));
  const int64_t at = std::clamp<int64_t>(index < 0 ? index + size : index, 0, size);
  if (runtime.Work(size - at) && runtime.Memory(sizeof(Value)))
    items.insert(items.begin() + at, args.positional[1]);
  return Value::None();
}

Result PopMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_RETURN_IF_ERROR(CheckMutable(self));
  std::vector<Value>& items = self.list().items;
  const auto size = int64_t(items.size());
  SY_ASSIGN_OR_RETURN(const int64_t index, IntArg(args, 0, -1));
  const int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size) return Fault("pop index out of range");
  Value popped = items[size_t(at)];
  runtime.Work(size - at);
  items.erase(items.begin() + at);
  return popped;
}

Result CountItemMethod(Runtime& runtime, const Value& self, const Args& args) {
  const auto& items = self.list().items;
  return Value(int64_t(std::count_if(items.begin(), items.end(), [&](const Value& item) {
    return Equal(runtime, item, args.positional[0]);
  })));
}

Result IndexOfItemMethod(Runtime& runtime, const Value& self, const Args& args) {
  const auto& items = self.list().items;
  const auto place = std::find_if(items.begin(), items.end(), [&](const Value& item) {
    return Equal(runtime, item, args.positional[0]);
  });
  if (place == items.end())
    return Fault("{} is not in list", Repr(runtime, args.positional[0]).bytes());
  return Value(int64_t(place - items.begin()));
}

constexpr Builtin kListMethods[] = {
    {"append", AppendMethod, "item"},       {"extend", ExtendMethod, "iterable"},
    {"insert", InsertMethod, "index item"}, {"pop", PopMethod, "index?"},
    {"count", CountItemMethod, "item"},     {"index", IndexOfItemMethod, "item"},
};

// --- Dicts ---------------------------------------------------------------------------------------

Result ItemsMethod(Runtime& runtime, const Value& self, const Args&) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.dict().items) {
    if (runtime.exhausted()) break;
    pairs.push_back(runtime.NewTuple({key, value}));
  }
  return runtime.NewList(std::move(pairs));
}

Result KeysMethod(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> keys, Iterate(runtime, self));
  return runtime.NewList(std::move(keys));
}

Result ValuesMethod(Runtime& runtime, const Value& self, const Args&) {
  std::vector<Value> values;
  for (const auto& [key, value] : self.dict().items) values.push_back(value);
  return runtime.NewList(std::move(values));
}

Result GetMethod(Runtime& runtime, const Value& self, const Args& args) {
  if (const Value* value = self.dict().Find(runtime, args.positional[0])) return *value;
  return args.Has(1) ? args.positional[1] : Value::None();
}

Result PopKeyMethod(Runtime& runtime, const Value& self, const Args& args) {
  const Value* value = self.dict().Find(runtime, args.positional[0]);
  if (value == nullptr) {
    if (args.Has(1)) return args.positional[1];
    return Fault("no key {}", Repr(runtime, args.positional[0]).bytes());
  }
  Value popped = *value;
  self.dict().Erase(runtime, args.positional[0]);
  return popped;
}

Result SetDefaultMethod(Runtime& runtime, const Value& self, const Args& args) {
  if (const Value* value = self.dict().Find(runtime, args.positional[0])) return *value;
  Value fallback = args.Has(1) ? args.positional[1] : Value::None();
  self.dict().Set(runtime, args.positional[0], fallback);
  return fallback;
}

Result UpdateMethod(Runtime& runtime, const Value& self, const Args& args) {
  for (const Value& other : args.positional) {
    if (!other.is_dict()) return Fault("update() takes a dict, not '{}'", TypeName(other));
    const auto entries = other.dict().items;  // a copy: the dict may be updated with itself
    for (const auto& [key, value] : entries) self.dict().Set(runtime, key, value);
  }
  for (const auto& [name, value] : args.named)
    self.dict().Set(runtime, runtime.NewString(std::string(name)), value);
  return Value::None();
}

Result CopyMethod(Runtime& runtime, const Value& self, const Args&) {
  Dict& copy = runtime.NewDict();
  copy.null_member = self.dict().null_member;
  if (runtime.Memory(self.dict().items.size() * 2 * sizeof(Value))) copy.items = self.dict().items;
  return Value(&copy);
}

constexpr Builtin kDictMethods[] = {
    {"items", ItemsMethod},
    {"keys", KeysMethod},
    {"values", ValuesMethod},
    {"get", GetMethod, "key default?"},
    {"pop", PopKeyMethod, "key default?"},
    {"setdefault", SetDefaultMethod, "key default?"},
    {"update", UpdateMethod, "*"},
    {"copy", CopyMethod},
};

}  // namespace

std::span<const Builtin> ListMethods() { return kListMethods; }
std::span<const Builtin> DictMethods() { return kDictMethods; }

}  // namespace switchyard::text::jinja
