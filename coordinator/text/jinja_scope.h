// Names and their values while a template is evaluated.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_SCOPE_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_SCOPE_H_

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/text/jinja_runtime.h"

namespace switchyard::text::jinja {

// The names of one loop pass, macro call or other body; those around it are seen through `parent`.
// Names are views of the template's tree.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> names;
  bool is_captured = false;  // a macro made here may look into it after its body has ended

  void Set(Runtime& runtime, std::string_view name, Value value) {
    if (Value* place = FindHere(runtime, name)) {
      *place = std::move(value);
    } else if (runtime.Memory(sizeof(names[0]))) {
      names.emplace_back(name, std::move(value));
    }
  }
  // Null if neither this scope nor one around it knows the name.
  const Value* Find(Runtime& runtime, std::string_view name) {
    for (Scope* scope = this; scope != nullptr; scope = scope->parent) {
      if (const Value* value = scope->FindHere(runtime, name)) return value;
    }
    return nullptr;
  }

 private:
  Value* FindHere(Runtime& runtime, std::string_view name) {
    constexpr size_t kNamesPerWork = 16;
    runtime.Work(int64_t(names.size() / kNamesPerWork));
    for (auto& [known, value] : names) {
      if (known == name) return &value;
    }
    return nullptr;
  }
};

// Makes scopes and keeps them; a scope that nobody captured is used again.
class ScopePool {
 public:
  Scope& Acquire(Runtime& runtime, Scope* parent) {
    if (free_.empty()) {
      runtime.Memory(sizeof(Scope));
      scopes_.push_back(std::make_unique<Scope>());
      free_.push_back(scopes_.back().get());
    }
    Scope& scope = *free_.back();
    free_.pop_back();
    scope.parent = parent;
    return scope;
  }
  void Release(Scope& scope) {
    if (scope.is_captured) return;
    scope.names.clear();
    free_.push_back(&scope);
  }
  // Keeps `scope` and all around it.
  static void Capture(Scope* scope) {
    for (; scope != nullptr && !scope->is_captured; scope = scope->parent)
      scope->is_captured = true;
  }

 private:
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::vector<Scope*> free_;
};

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_SCOPE_H_
