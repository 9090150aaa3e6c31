// Global functions: range, dict, namespace, joiner, cycler, raise_exception, strftime_now.
#include <ctime>

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_print.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result RangeFunction(Runtime& runtime, const Value&, const Args& args) {
  for (const Value& bound : args.positional) {
    if (!bound.is_undefined() && !bound.is_integral())
      return Fault("range() takes integers, not '{}'", TypeName(bound));
  }
  SY_ASSIGN_OR_RETURN(const int64_t first, IntArg(args, 0, 0));
  const int64_t start = args.Has(1) ? first : 0;
  SY_ASSIGN_OR_RETURN(const int64_t stop, IntArg(args, 1, first));
  SY_ASSIGN_OR_RETURN(const int64_t step, IntArg(args, 2, 1));
  if (step == 0) return Fault("range() arg 3 must not be zero");
  std::vector<Value> items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (int64_t(items.size()) == runtime.limits().range_items_max) {
      runtime.Exhaust(
          fmt::format("a range of more than {} items", runtime.limits().range_items_max));
      break;
    }
    items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return runtime.NewList(std::move(items));
}

// dict(a=1), dict(mapping), dict(list of pairs, b=2)
Result DictFunction(Runtime& runtime, const Value&, const Args& args) {
  Dict& dict = runtime.NewDict();
  if (args.positional.size() > 1) return Fault("dict() takes at most one positional argument");
  if (!args.positional.empty() && args.positional[0].is_dict()) {
    if (runtime.Memory(args.positional[0].dict().items.size() * 2 * sizeof(Value)))
      dict = args.positional[0].dict();
  } else if (!args.positional.empty()) {
    SY_ASSIGN_OR_RETURN(const std::vector<Value> pairs, Iterate(runtime, args.positional[0]));
    for (const Value& pair : pairs) {
      if (!pair.is_list() || pair.list().items.size() != 2)
        return Fault("dict() takes pairs of key and value");
      dict.Set(runtime, pair.list().items[0], pair.list().items[1]);
    }
  }
  for (const auto& [name, value] : args.named)
    dict.Set(runtime, runtime.NewString(std::string(name)), value);
  return Value(&dict);
}

Result NamespaceFunction(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Value attributes, DictFunction(runtime, self, args));
  const Value object = runtime.NewObject<Namespace>();
  for (const auto& [name, value] : attributes.dict().items) {
    object.object().SetAttribute(runtime, Str(runtime, name).bytes(), value);
  }
  return object;
}

// Called for the first time it is empty, afterwards the separator.
class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const override { return "joiner"; }
  bool is_callable() const override { return true; }
  absl::StatusOr<Value> Call(Runtime& runtime, Args) override {
    if (std::exchange(was_called_, true)) return separator_;
    return runtime.NewString(std::string());
  }

 private:
  const Value separator_;
  bool was_called_ = false;
};

Result JoinerFunction(Runtime& runtime, const Value&, const Args& args) {
  return runtime.NewObject<Joiner>(args.Has(0) ? args.positional[0] : Value::Literal(", "));
}

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string_view type_name() const override { return "cycler"; }
  std::optional<Value> GetAttribute(Runtime& runtime, std::string_view name) override {
    static constexpr Builtin kNext{"next", Next};
    static constexpr Builtin kReset{"reset", Reset};
    if (name == "current") return items_[position_];
    if (name == "next") return runtime.NewObject<BoundBuiltin>(kNext, Value(this));
    if (name == "reset") return runtime.NewObject<BoundBuiltin>(kReset, Value(this));
    return std::nullopt;
  }

 private:
  static Result Next(Runtime&, const Value& self, const Args&) {
    auto& cycler = static_cast<Cycler&>(self.object());
    const size_t position = cycler.position_;
    cycler.position_ = (position + 1) % cycler.items_.size();
    return cycler.items_[position];
  }
  static Result Reset(Runtime&, const Value& self, const Args&) {
    static_cast<Cycler&>(self.object()).position_ = 0;
    return Value::None();
  }

  const std::vector<Value> items_;
  size_t position_ = 0;
};

Result CyclerFunction(Runtime& runtime, const Value&, const Args& args) {
  if (args.positional.empty()) return Fault("at least one item has to be provided");
  return runtime.NewObject<Cycler>(args.positional);
}

Result RaiseExceptionFunction(Runtime& runtime, const Value&, const Args& args) {
  return runtime.Raise(Str(runtime, args.positional[0]).bytes());
}

Result StrftimeNowFunction(Runtime& runtime, const Value&, const Args& args) {
  const Text format = Str(runtime, args.positional[0]);
  if (format.size() > 200) return Fault("strftime_now: a format of more than 200 bytes");
  char buffer[4096];
  const size_t num_bytes =
      std::strftime(buffer, sizeof(buffer), format.bytes().c_str(), &runtime.now());
  return runtime.NewString(
      Text(ReplaceInvalidUtf8(std::string_view(buffer, num_bytes)), format.HasUserText()));
}

constexpr Builtin kGlobals[] = {
    {"range", RangeFunction, "start stop? step?"},
    {"dict", DictFunction, "*"},
    {"namespace", NamespaceFunction, "*"},
    {"joiner", JoinerFunction, "sep?"},
    {"cycler", CyclerFunction, "*"},
    {"raise_exception", RaiseExceptionFunction, "message"},
    {"strftime_now", StrftimeNowFunction, "format"},
};

}  // namespace

std::span<const Builtin> Globals() { return kGlobals; }

}  // namespace switchyard::text::jinja
