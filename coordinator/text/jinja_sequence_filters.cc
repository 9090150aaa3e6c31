// Filters over lists, dicts and the characters of strings.
#include <algorithm>
#include <cstdlib>

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_operators.h"
#include "coordinator/text/jinja_print.h"
#include "coordinator/text/jinja_text_ops.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result LengthFilter(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(const int64_t length, Length(runtime, self));
  return Value(length);
}

Result FirstFilter(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  return items.empty() ? Value::Undefined("No first item, sequence was empty.") : items.front();
}

Result LastFilter(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  return items.empty() ? Value::Undefined("No last item, sequence was empty.") : items.back();
}

Result ListFilter(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  return runtime.NewList(std::move(items));
}

Result ReverseFilter(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  std::reverse(items.begin(), items.end());
  if (self.is_string()) return runtime.NewString(Join(runtime, items, Text()));
  return runtime.NewList(std::move(items));
}

// Each item's attribute, if the filter was given one; else the item.
Result KeyOf(Runtime& runtime, const Value& item, const Args& args, size_t attribute_index) {
  if (!args.Has(attribute_index) || args.positional[attribute_index].is_none()) return item;
  return AttributeByPath(runtime, item, args.positional[attribute_index]);
}

Result JoinFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  for (Value& item : items) {
    SY_ASSIGN_OR_RETURN(item, KeyOf(runtime, item, args, 1));
  }
  const Text separator = args.Has(0) ? Str(runtime, args.positional[0]) : Text();
  return runtime.NewString(Join(runtime, items, separator));
}

Result ItemsFilter(Runtime& runtime, const Value& self, const Args& args) {
  if (self.is_undefined()) return runtime.NewList({});
  if (!self.is_dict()) return Fault("Can only get item pairs from a mapping.");
  return CallBuiltin(runtime, *FindMethod(self, "items"), self, args);
}

// --- Sorting -------------------------------------------------------------------------------------

// What case-insensitive sorting compares: strings in lower case.
Value FoldCase(Runtime& runtime, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return runtime.NewString(ChangeCase(runtime, value.text(), Case::kLower));
}

// Sorts `items` by `keys` (one per item), keeping the order of equal ones. A comparison without
// meaning fails the whole.
absl::Status SortByKeys(Runtime& runtime, std::vector<Value>& items, const std::vector<Value>& keys,
                        bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  // The faults found first, so that the order below is a strict weak one: all keys numbers, all
  // strings, or all lists.
  absl::Status status;
  for (size_t i = 1; i < keys.size() && status.ok(); ++i)
    status = Less(runtime, keys[i], keys[0]).status();
  SY_RETURN_IF_ERROR(status);
  const auto less = [&](size_t a, size_t b) {
    if (!status.ok() || runtime.exhausted()) return false;
    const absl::StatusOr<bool> result =
        reverse ? Less(runtime, keys[b], keys[a]) : Less(runtime, keys[a], keys[b]);
    if (!result.ok()) status = result.status();
    return result.ok() && *result;
  };
  std::stable_sort(order.begin(), order.end(), less);
  SY_RETURN_IF_ERROR(status);
  std::vector<Value> sorted;
  sorted.reserve(items.size());
  for (size_t index : order) sorted.push_back(items[index]);
  items = std::move(sorted);
  return absl::OkStatus();
}

Result SortFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  std::vector<Value> keys;
  for (const Value& item : items) {
    SY_ASSIGN_OR_RETURN(const Value key, KeyOf(runtime, item, args, 2));
    keys.push_back(FoldCase(runtime, key, BoolArg(args, 1, false)));
  }
  SY_RETURN_IF_ERROR(SortByKeys(runtime, items, keys, BoolArg(args, 0, false)));
  return runtime.NewList(std::move(items));
}

Result DictSortFilter(Runtime& runtime, const Value& self, const Args& args) {
  if (!self.is_dict()) return Fault("dictsort: a mapping is required, not '{}'", TypeName(self));
  const bool by_value = args.Has(1) && Str(runtime, args.positional[1]).bytes() == "value";
  std::vector<Value> pairs;
  std::vector<Value> keys;
  for (const auto& [key, value] : self.dict().items) {
    pairs.push_back(runtime.NewTuple({key, value}));
    keys.push_back(FoldCase(runtime, by_value ? value : key, BoolArg(args, 0, false)));
    if (runtime.exhausted()) break;
  }
  SY_RETURN_IF_ERROR(SortByKeys(runtime, pairs, keys, BoolArg(args, 2, false)));
  return runtime.NewList(std::move(pairs));
}

template <bool wants_max>
Result ExtremeFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  if (items.empty()) return Value::Undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key;
  for (size_t i = 0; i < items.size(); ++i) {
    SY_ASSIGN_OR_RETURN(Value key, KeyOf(runtime, items[i], args, 1));
    key = FoldCase(runtime, key, BoolArg(args, 0, false));
    bool is_better = i == 0;
    if (i > 0) {
      SY_ASSIGN_OR_RETURN(is_better,
                          wants_max ? Less(runtime, best_key, key) : Less(runtime, key, best_key));
    }
    if (is_better) {
      best = i;
      best_key = key;
    }
  }
  return items[best];
}

Result SumFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  Value sum = args.Has(1) ? args.positional[1] : Value(int64_t{0});
  for (const Value& item : items) {
    SY_ASSIGN_OR_RETURN(const Value term, KeyOf(runtime, item, args, 0));
    SY_ASSIGN_OR_RETURN(sum, Arithmetic(runtime, BinaryOp::kAdd, sum, term));
    if (runtime.exhausted()) break;
  }
  return sum;
}

Result UniqueFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  std::vector<Value> kept;
  std::vector<Value> seen;
  for (const Value& item : items) {
    SY_ASSIGN_OR_RETURN(Value key, KeyOf(runtime, item, args, 1));
    key = FoldCase(runtime, key, BoolArg(args, 0, false));
    const bool is_new = std::none_of(
        seen.begin(), seen.end(), [&](const Value& other) { return Equal(runtime, other, key); });
    if (runtime.exhausted()) break;
    if (!is_new) continue;
    seen.push_back(key);
    kept.push_back(item);
  }
  return runtime.NewList(std::move(kept));
}

// A list of (key, items with this key), sorted by key.
Result GroupByFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  std::vector<Value> keys;
  for (const Value& item : items) {
    SY_ASSIGN_OR_RETURN(Value key, AttributeByPath(runtime, item, args.positional[0]));
    if (key.is_undefined() && args.Has(1)) key = args.positional[1];
    keys.push_back(key);
  }
  std::vector<Value> sorted_keys = keys;
  SY_RETURN_IF_ERROR(SortByKeys(runtime, items, keys, false));
  SY_RETURN_IF_ERROR(SortByKeys(runtime, sorted_keys, keys, false));
  std::vector<Value> groups;
  for (size_t i = 0; i < items.size() && !runtime.exhausted();) {
    std::vector<Value> members;
    const Value& key = sorted_keys[i];
    for (; i < items.size() && Equal(runtime, sorted_keys[i], key); ++i)
      members.push_back(items[i]);
    groups.push_back(runtime.NewTuple({key, runtime.NewList(std::move(members))}));
  }
  return runtime.NewList(std::move(groups));
}

Result BatchFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  SY_ASSIGN_OR_RETURN(const int64_t size, IntArg(args, 0, 1));
  if (size < 1) return Fault("batch: a size of {}", size);
  if (size > runtime.limits().range_items_max)
    return Fault("batch: a size of {} is too large", size);
  std::vector<Value> batches;
  for (size_t i = 0; i < items.size(); i += size_t(size)) {
    const auto begin = items.begin() + int64_t(i);
    std::vector<Value> batch(begin, begin + std::min<int64_t>(size, items.end() - begin));
    if (args.Has(1)) batch.resize(size_t(size), args.positional[1]);
    batches.push_back(runtime.NewList(std::move(batch)));
    if (runtime.exhausted()) break;
  }
  return runtime.NewList(std::move(batches));
}

// --- Filters that apply filters and tests --------------------------------------------------------

// `args` without its first `count` positional values.
Args Rest(const Args& args, size_t count) {
  Args rest = args;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + int64_t(std::min(count, rest.positional.size())));
  return rest;
}

const Value* Named(const Args& args, std::string_view name) {
  for (const auto& [given, value] : args.named) {
    if (given == name) return &value;
  }
  return nullptr;
}

// map('upper'), map('replace', 'a', 'b'), map(attribute='name', default='')
Result MapFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  const Value* attribute = Named(args, "attribute");
  const Builtin* filter = nullptr;
  if (attribute == nullptr) {
    if (args.positional.empty() || !args.positional[0].is_string()) {
      return Fault("map requires a filter argument");
    }
    const std::string& name = args.positional[0].text().bytes();
    filter = FindFilter(name);
    if (filter == nullptr) return Fault("no filter named '{}'", name);
  }
  const Value* fallback = Named(args, "default");
  const Args rest = Rest(args, 1);
  for (Value& item : items) {
    if (filter != nullptr) {
      SY_ASSIGN_OR_RETURN(item, CallBuiltin(runtime, *filter, item, rest));
    } else {
      SY_ASSIGN_OR_RETURN(item, AttributeByPath(runtime, item, *attribute));
      if (item.is_undefined() && fallback != nullptr) item = *fallback;
    }
    if (!runtime.Work(1)) break;
  }
  return runtime.NewList(std::move(items));
}

// select, reject: by a test, or by truth. selectattr, rejectattr: the same of an attribute.
template <bool keeps, bool of_attribute>
Result SelectFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  if (of_attribute && args.positional.empty())
    return Fault("selectattr and rejectattr need an attribute");
  const size_t test_index = of_attribute ? 1 : 0;
  const Builtin* test = nullptr;
  if (args.positional.size() > test_index) {
    const std::string name = Str(runtime, args.positional[test_index]).bytes();
    test = FindTest(name);
    if (test == nullptr) return Fault("no test named '{}'", name);
  }
  const Args rest = Rest(args, test_index + 1);
  std::vector<Value> kept;
  for (const Value& item : items) {
    Value subject = item;
    if (of_attribute) {
      SY_ASSIGN_OR_RETURN(subject, AttributeByPath(runtime, item, args.positional[0]));
    }
    Value verdict = subject;
    if (test != nullptr) {
      SY_ASSIGN_OR_RETURN(verdict, CallBuiltin(runtime, *test, subject, rest));
    }
    if (!runtime.Work(1)) break;
    if (IsTruthy(verdict) == keeps) kept.push_back(item);
  }
  return runtime.NewList(std::move(kept));
}

Result AttrFilter(Runtime& runtime, const Value& self, const Args& args) {
  return GetAttribute(runtime, self, Str(runtime, args.positional[0]).bytes());
}

constexpr Builtin kFilters[] = {
    {"length", LengthFilter},
    {"count", LengthFilter},
    {"first", FirstFilter},
    {"last", LastFilter},
    {"list", ListFilter},
    {"reverse", ReverseFilter},
    {"join", JoinFilter, "d? attribute?"},
    {"items", ItemsFilter},
    {"sort", SortFilter, "reverse? case_sensitive? attribute?"},
    {"dictsort", DictSortFilter, "case_sensitive? by? reverse?"},
    {"max", ExtremeFilter<true>, "case_sensitive? attribute?"},
    {"min", ExtremeFilter<false>, "case_sensitive? attribute?"},
    {"sum", SumFilter, "attribute? start?"},
    {"unique", UniqueFilter, "case_sensitive? attribute?"},
    {"groupby", GroupByFilter, "attribute default?"},
    {"batch", BatchFilter, "linecount fill_with?"},
    {"map", MapFilter, "*"},
    {"select", SelectFilter<true, false>, "*"},
    {"reject", SelectFilter<false, false>, "*"},
    {"selectattr", SelectFilter<true, true>, "*"},
    {"rejectattr", SelectFilter<false, true>, "*"},
    {"attr", AttrFilter, "name"},
};

}  // namespace

std::span<const Builtin> SequenceFilters() { return kFilters; }

}  // namespace switchyard::text::jinja
