#include "coordinator/text/jinja_builtins.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string>

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_operators.h"

namespace switchyard::text::jinja {
namespace {

const Builtin* FindIn(std::span<const Builtin> table, std::string_view name) {
  for (const Builtin& builtin : table) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

struct Parameter {
  std::string_view name;
  bool is_optional;
};

std::vector<Parameter> SplitParameters(std::string_view list) {
  std::vector<Parameter> parameters;
  while (!list.empty()) {
    const size_t blank = std::min(list.find(' '), list.size());
    std::string_view name = list.substr(0, blank);
    list.remove_prefix(std::min(blank + 1, list.size()));
    const bool is_optional = name.back() == '?';
    if (is_optional) name.remove_suffix(1);
    parameters.push_back({.name = name, .is_optional = is_optional});
  }
  return parameters;
}

absl::StatusOr<Args> Bind(const Builtin& builtin, Args args) {
  const std::vector<Parameter> parameters = SplitParameters(builtin.parameters);
  const size_t num_positional = args.positional.size();
  if (num_positional > parameters.size()) {
    return Fault("{}() takes at most {} arguments ({} given)", builtin.name, parameters.size(),
                 num_positional);
  }
  Args bound{.positional = std::move(args.positional), .named = {}};
  bound.positional.resize(parameters.size());
  std::vector<bool> is_given(parameters.size(), false);
  std::fill_n(is_given.begin(), num_positional, true);
  for (auto& [name, value] : args.named) {
    const auto place = std::find_if(parameters.begin(), parameters.end(),
                                    [&name = name](const Parameter& p) { return p.name == name; });
    if (place == parameters.end()) {
      return Fault("{}() got an unexpected keyword argument '{}'", builtin.name, name);
    }
    const size_t index = size_t(place - parameters.begin());
    if (is_given[index]) return Fault("{}() got '{}' twice", builtin.name, name);
    is_given[index] = true;
    bound.positional[index] = std::move(value);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!is_given[i] && !parameters[i].is_optional) {
      return Fault("{}() misses its argument '{}'", builtin.name, parameters[i].name);
    }
  }
  return bound;
}

}  // namespace

const Builtin* FindFilter(std::string_view name) {
  const Builtin* filter = FindIn(TextFilters(), name);
  return filter != nullptr ? filter : FindIn(SequenceFilters(), name);
}

const Builtin* FindTest(std::string_view name) { return FindIn(Tests(), name); }

const Builtin* FindGlobal(std::string_view name) { return FindIn(Globals(), name); }

const Builtin* FindMethod(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::kString:
      return FindIn(TextMethods(), name);
    case Kind::kList:
      return FindIn(ListMethods(), name);
    case Kind::kDict:
      return FindIn(DictMethods(), name);
    default:
      return nullptr;
  }
}

absl::StatusOr<Value> CallBuiltin(Runtime& runtime, const Builtin& builtin, const Value& self,
                                  Args args) {
  if (builtin.parameters == "*") return builtin.function(runtime, self, args);
  SY_ASSIGN_OR_RETURN(const Args bound, Bind(builtin, std::move(args)));
  return builtin.function(runtime, self, bound);
}

std::optional<Value> Namespace::GetAttribute(Runtime& runtime, std::string_view name) {
  const Value* value = attributes_.Find(runtime, name);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

bool Namespace::SetAttribute(Runtime& runtime, std::string_view name, const Value& value) {
  if (Value* place = attributes_.Find(runtime, name)) {
    *place = value;
  } else {
    attributes_.Set(runtime, runtime.NewString(std::string(name)), value);
  }
  return true;
}

absl::StatusOr<int64_t> IntArg(const Args& args, size_t index, int64_t fallback) {
  if (!args.Has(index) || args.positional[index].is_none()) return fallback;
  const Value& value = args.positional[index];
  if (!value.is_integral()) {
    return Fault("'{}' object cannot be interpreted as an integer", TypeName(value));
  }
  return value.integer();
}

bool BoolArg(const Args& args, size_t index, bool fallback) {
  if (!args.Has(index)) return fallback;
  return IsTruthy(args.positional[index]);
}

absl::StatusOr<Value> AttributeByPath(Runtime& runtime, const Value& value, const Value& path) {
  if (!path.is_string()) return GetItem(runtime, value, path);
  std::string_view rest = path.text().bytes();
  Value current = value;
  while (true) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    int64_t index = 0;
    const auto number = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = number.ec == std::errc() && number.ptr == part.data() + part.size();
    const Value key = is_index ? Value(index) : runtime.NewString(std::string(part));
    SY_ASSIGN_OR_RETURN(current, GetItem(runtime, current, key));
    if (dot == rest.size()) return current;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace switchyard::text::jinja
