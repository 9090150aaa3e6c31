// The values a chat template works on: Python's, as far as templates see them.
//
// A Value is cheap to copy. Strings are shared and never change. Lists, dicts and objects belong to
// the Runtime of one rendering (jinja_runtime.h) and die with it, so that values which contain each
// other neither leak nor dangle.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_VALUE_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_VALUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "coordinator/text/jinja_text.h"

namespace switchyard::text::jinja {

class Object;
class Runtime;
struct Dict;
struct List;

// In the order of Value's variant.
enum class Kind { kUndefined, kNone, kBool, kInt, kFloat, kString, kList, kDict, kObject };

class Value {
 public:
  Value() = default;  // undefined, without a reason
  explicit Value(bool value) : rep_(value) {}
  explicit Value(int64_t value) : rep_(value) {}
  explicit Value(double value) : rep_(value) {}
  explicit Value(List* list) : rep_(list) {}
  explicit Value(Dict* dict) : rep_(dict) {}
  explicit Value(Object* object) : rep_(object) {}
  explicit Value(std::shared_ptr<const Text> text) : rep_(std::move(text)) {}
  static Value None() { return Value(std::in_place_type<NoneRep>, {}); }
  // `reason` is what a template's author is told when the value is used where nothing undefined can
  // be. With `is_null` it tests as none.
  static Value Undefined(std::string reason, bool is_null = false) {
    return Value(std::in_place_type<UndefinedRep>,
                 {std::make_shared<const std::string>(std::move(reason)), is_null});
  }
  // A string of the template's own; not charged to any Runtime.
  static Value Literal(std::string text) {
    return Value(std::make_shared<const Text>(std::move(text)));
  }

  Kind kind() const { return static_cast<Kind>(rep_.index()); }
  bool is_undefined() const { return kind() == Kind::kUndefined; }
  bool is_none() const { return kind() == Kind::kNone; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_list() const { return kind() == Kind::kList; }
  bool is_dict() const { return kind() == Kind::kDict; }
  bool is_object() const { return kind() == Kind::kObject; }
  // None, or undefined and yet null (Dict::null_member).
  bool tests_as_none() const;
  // An int, or a bool standing for 0 or 1.
  bool is_integral() const { return kind() == Kind::kInt || kind() == Kind::kBool; }
  bool is_number() const { return is_integral() || kind() == Kind::kFloat; }

  // REQUIRES: the kind that the name says.
  bool as_bool() const { return std::get<bool>(rep_); }
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(rep_); }
  List& list() const { return *std::get<List*>(rep_); }
  Dict& dict() const { return *std::get<Dict*>(rep_); }
  Object& object() const { return *std::get<Object*>(rep_); }
  // REQUIRES: is_integral().
  int64_t integer() const;
  // REQUIRES: is_number().
  double number() const;
  // Why the value is undefined. REQUIRES: is_undefined().
  std::string reason() const;

 private:
  struct UndefinedRep {
    std::shared_ptr<const std::string> reason;
    bool is_null;
  };
  struct NoneRep {};
  using Rep = std::variant<UndefinedRep, NoneRep, bool, int64_t, double,
                           std::shared_ptr<const Text>, List*, Dict*, Object*>;
  template <typename T>
  Value(std::in_place_type_t<T> type, T rep) : rep_(type, std::move(rep)) {}

  Rep rep_;
};

struct List {
  std::vector<Value> items;
  bool is_tuple = false;
};

// Keeps the order of insertion; keys are strings, numbers, bools or None.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  // One that is not among the items and yet tests as none; empty: there is none. Outlives this.
  std::string_view null_member;

  // Null if absent. Charges the search to `runtime`.
  Value* Find(Runtime& runtime, const Value& key);
  Value* Find(Runtime& runtime, std::string_view key);
  // Replaces or appends.
  void Set(Runtime& runtime, const Value& key, Value value);
  bool Erase(Runtime& runtime, const Value& key);
};

// The arguments of a call as written. Once bound to a builtin's parameters (jinja_builtins.h),
// `positional` has one value per parameter, an undefined one where the caller gave none, and
// `named` is empty.
struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  bool Has(size_t index) const {
    return index < positional.size() && !positional[index].is_undefined();
  }
};

// Whatever is neither data nor string: namespaces, loops, macros, functions.
class Object {
 public:
  virtual ~Object() = default;
  // As in Python's messages: 'namespace object' has no attribute ...
  virtual std::string_view type_name() const = 0;
  virtual std::optional<Value> GetAttribute(Runtime& runtime, std::string_view name);
  // False if attributes cannot be set.
  virtual bool SetAttribute(Runtime& runtime, std::string_view name, const Value& value);
  virtual bool is_callable() const { return false; }
  virtual absl::StatusOr<Value> Call(Runtime& runtime, Args args);
};

// Python's name of the type: "str", "list", "NoneType".
std::string_view TypeName(const Value& value);

// INVALID_ARGUMENT: what a template did wrong. The evaluator adds the line.
template <typename... Parts>
absl::Status Fault(fmt::format_string<Parts...> format, Parts&&... parts) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Parts>(parts)...));
}

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_VALUE_H_
