#include "coordinator/text/jinja_value.h"

#include "coordinator/text/jinja_operators.h"
#include "coordinator/text/jinja_runtime.h"

namespace switchyard::text::jinja {
namespace {

// Entries looked at per unit of work.
constexpr size_t kEntriesPerWork = 16;

}  // namespace

int64_t Value::integer() const {
  return kind() == Kind::kBool ? int64_t{as_bool()} : std::get<int64_t>(rep_);
}

double Value::number() const {
  return kind() == Kind::kFloat ? std::get<double>(rep_) : double(integer());
}

bool Value::tests_as_none() const {
  return is_none() || (is_undefined() && std::get<UndefinedRep>(rep_).is_null);
}

std::string Value::reason() const {
  const auto& reason = std::get<UndefinedRep>(rep_).reason;
  return reason != nullptr ? *reason : "the value is undefined";
}

Value* Dict::Find(Runtime& runtime, const Value& key) {
  if (key.is_string()) return Find(runtime, key.text().bytes());
  if (!runtime.Work(1 + int64_t(items.size() / kEntriesPerWork))) return nullptr;
  for (auto& [name, value] : items) {
    if (!name.is_string() && Equal(runtime, name, key)) return &value;
  }
  return nullptr;
}

Value* Dict::Find(Runtime& runtime, std::string_view key) {
  if (!runtime.Work(1 + int64_t(items.size() / kEntriesPerWork))) return nullptr;
  for (auto& [name, value] : items) {
    if (name.is_string() && name.text().bytes() == key) return &value;
  }
  return nullptr;
}

void Dict::Set(Runtime& runtime, const Value& key, Value value) {
  if (Value* place = Find(runtime, key)) {
    *place = std::move(value);
  } else if (runtime.Memory(2 * sizeof(Value))) {
    items.emplace_back(key, std::move(value));
  }
}

bool Dict::Erase(Runtime& runtime, const Value& key) {
  Value* place = Find(runtime, key);
  if (place == nullptr) return false;
  for (auto entry = items.begin(); entry != items.end(); ++entry) {
    if (&entry->second == place) {
      items.erase(entry);
      return true;
    }
  }
  return false;
}

std::optional<Value> Object::GetAttribute(Runtime&, std::string_view) { return std::nullopt; }

bool Object::SetAttribute(Runtime&, std::string_view, const Value&) { return false; }

absl::StatusOr<Value> Object::Call(Runtime&, Args) {
  return Fault("'{}' object is not callable", type_name());
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return value.list().is_tuple ? "tuple" : "list";
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return value.object().type_name();
  }
  return "object";
}

}  // namespace switchyard::text::jinja
