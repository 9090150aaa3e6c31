#include "coordinator/text/grammar/schema_compiler.h"

#include <algorithm>

#include "coordinator/text/grammar/counted_body.h"
#include "coordinator/text/grammar/value_check.h"

namespace switchyard::text::grammar {
namespace {

bool Contains(const SchemaSet& set, SchemaId id) {
  return std::find(set.begin(), set.end(), id) != set.end();
}

absl::Status BothFit(size_t first, size_t second) {
  return absl::InvalidArgumentError(
      fmt::format("oneOf: a value may fit both alternative {} and {}: say anyOf, or make them "
                  "differ in a type or a required constant",
                  first, second));
}

// The text of a constant: compact, escaped where JSON demands it.
std::string TextOf(const Json& value) { return value.dump(); }

}  // namespace

absl::StatusOr<v1::Grammar> SchemaCompiler::Compile() {
  SY_ASSIGN_OR_RETURN(const uint32_t start, AddRules());
  return book_.Compile(start);
}

absl::StatusOr<uint32_t> SchemaCompiler::AddRules() {
  SY_ASSIGN_OR_RETURN(const uint32_t start, RuleOf({0}));
  while (!pending_.empty()) {
    const Pending next = std::move(pending_.back());
    pending_.pop_back();
    const absl::Status status = FillRule(next.rule, next.schemas);
    if (!status.ok()) {
      return Annotate(status, fmt::format("schema {}", nodes_[next.schemas.front()].pointer));
    }
  }
  SY_RETURN_IF_ERROR(CheckAlternatives());
  return start;
}

SchemaSet SchemaCompiler::Simplify(const SchemaSet& schemas) const {
  SchemaSet simple;
  std::set<SchemaId> met;
  for (const SchemaId id : schemas) {
    const SchemaNode& n = nodes_[id];
    const bool says_nothing = n.types == kAnyType && n.values.empty() && n.number.is_any() &&
                              !n.number.is_integer && !n.has_string_words() &&
                              !n.has_array_words() && !n.has_object_words() && n.all_of.empty() &&
                              n.any_of.empty() && n.one_of.empty();
    if (n.is_false()) return {id};
    if (!says_nothing && met.insert(id).second) simple.push_back(id);
  }
  return simple;
}

absl::StatusOr<uint32_t> SchemaCompiler::RuleOf(const SchemaSet& schemas) {
  if (!budget().Spend(10 + schemas.size())) return budget().Check();
  SchemaSet simple = Simplify(schemas);
  if (simple.empty()) return json_.Value();
  const auto known = rules_.find(simple);
  if (known != rules_.end()) return known->second;
  const uint32_t rule = book_.AddRule(fmt::format("schema {}", nodes_[simple.front()].pointer));
  rules_.emplace(simple, rule);
  pending_.push_back({rule, std::move(simple)});
  return rule;
}

absl::Status SchemaCompiler::FillRule(uint32_t rule, const SchemaSet& schemas) {
  SY_ASSIGN_OR_RETURN(const std::vector<SchemaSet> branches, Expand(schemas));
  Nfa nfa(budget());
  for (const SchemaSet& branch : branches) {
    SY_RETURN_IF_ERROR(AddBranch(branch, nfa));
    SY_RETURN_IF_ERROR(budget().Check());
  }
  return book_.SetBody(rule, nfa);
}

absl::StatusOr<std::vector<SchemaSet>> SchemaCompiler::Expand(const SchemaSet& schemas) {
  struct Partial {
    SchemaSet met;   // in order
    SchemaSet open;  // to be met; the next one last
  };
  std::vector<Partial> partials = {{{}, SchemaSet(schemas.rbegin(), schemas.rend())}};
  std::vector<SchemaSet> branches;
  while (!partials.empty()) {
    Partial partial = std::move(partials.back());
    partials.pop_back();
    if (!budget().Spend(10 + partial.met.size() + partial.open.size())) return budget().Check();
    if (partial.open.empty()) {
      branches.push_back(std::move(partial.met));
      continue;
    }
    const SchemaId id = partial.open.back();
    partial.open.pop_back();
    if (Contains(partial.met, id)) {
      partials.push_back(std::move(partial));
      continue;
    }
    const SchemaNode& n = nodes_[id];
    partial.met.push_back(id);
    partial.open.insert(partial.open.end(), n.all_of.rbegin(), n.all_of.rend());
    if (!n.one_of.empty()) SY_RETURN_IF_ERROR(CompareAlternatives(id));
    std::vector<SchemaSet> choices = {{}};
    for (const auto* list : {&n.any_of, &n.one_of}) {
      if (list->empty()) continue;
      std::vector<SchemaSet> longer;
      for (const SchemaSet& choice : choices) {
        for (const SchemaId alternative : *list) {
          if (!budget().Spend(2 + choice.size())) return budget().Check();
          longer.push_back(choice);
          longer.back().push_back(alternative);
        }
      }
      choices = std::move(longer);
    }
    // The first choice is taken up first.
    for (auto choice = choices.rbegin(); choice != choices.rend(); ++choice) {
      if (!budget().Spend(10 + partial.met.size() + partial.open.size())) return budget().Check();
      partials.push_back(partial);
      SchemaSet& open = partials.back().open;
      open.insert(open.end(), choice->begin(), choice->end());
    }
  }
  return branches;
}

// Makes the rules of what two alternatives have in common: nothing, or `oneOf` cannot be compiled.
absl::Status SchemaCompiler::CompareAlternatives(SchemaId id) {
  if (!compared_.insert(id).second) return absl::OkStatus();
  const std::vector<SchemaId>& alternatives = nodes_[id].one_of;
  for (size_t a = 0; a < alternatives.size(); ++a) {
    for (size_t b = a + 1; b < alternatives.size(); ++b) {
      SY_ASSIGN_OR_RETURN(const uint32_t rule, RuleOf({alternatives[a], alternatives[b]}));
      if (json_.IsValue(rule)) return BothFit(a, b);
      pairs_.push_back({.rule = rule, .of = id, .first = a, .second = b});
    }
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::CheckAlternatives() {
  if (pairs_.empty()) return absl::OkStatus();
  SY_RETURN_IF_ERROR(book_.FindPossible(unwritten_));
  for (const Pair& pair : pairs_) {
    if (!book_.is_possible(pair.rule)) continue;
    return Annotate(BothFit(pair.first, pair.second),
                    fmt::format("schema {}", nodes_[pair.of].pointer));
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::AddBranch(const SchemaSet& branch, Nfa& nfa) {
  uint8_t types = kAnyType;
  bool has_values = false;
  for (const SchemaId id : branch) {
    types &= nodes_[id].types;
    has_values |= !nodes_[id].values.empty();
  }
  if (has_values) return AddValues(branch, nfa);
  if ((types & kNull) != 0) nfa.Accept(nfa.AddText(0, "null"));
  if ((types & kBoolean) != 0) {
    nfa.Accept(nfa.AddText(0, "true"));
    nfa.Accept(nfa.AddText(0, "false"));
  }
  if ((types & (kInteger | kFraction)) != 0) SY_RETURN_IF_ERROR(AddNumbers(branch, types, nfa));
  if ((types & kString) != 0) SY_RETURN_IF_ERROR(AddStrings(branch, nfa));
  if ((types & kArray) != 0) SY_RETURN_IF_ERROR(AddArrays(branch, nfa));
  if ((types & kObject) != 0) SY_RETURN_IF_ERROR(AddObjects(branch, *this, nfa));
  return absl::OkStatus();
}

absl::Status SchemaCompiler::AddValues(const SchemaSet& branch, Nfa& nfa) {
  const auto with_values = std::find_if(branch.begin(), branch.end(),
                                        [&](SchemaId id) { return !nodes_[id].values.empty(); });
  ValueCheck check(nodes_, budget());
  for (const Json& value : nodes_[*with_values].values.front().values) {
    const bool fits = std::all_of(branch.begin(), branch.end(),
                                  [&](SchemaId id) { return check.Fits(value, id); });
    if (fits) nfa.Accept(nfa.AddText(0, TextOf(value)));
    SY_RETURN_IF_ERROR(budget().Check());
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::AddNumbers(const SchemaSet& branch, uint8_t types, Nfa& nfa) {
  NumberWords words;
  words.is_integer = (types & kFraction) == 0;
  for (const SchemaId id : branch) {
    const NumberWords& more = nodes_[id].number;
    words.is_integer |= more.is_integer;
    if (more.min.has_value()) words.RaiseMin(*more.min);
    if (more.max.has_value()) words.LowerMax(*more.max);
    words.multiples.insert(words.multiples.end(), more.multiples.begin(), more.multiples.end());
    if (more.places_max.has_value()) {
      words.places_max = std::min(*more.places_max, words.places_max.value_or(*more.places_max));
    }
  }
  if (words.is_any()) {
    nfa.Accept(words.is_integer ? AddInteger(0, nfa) : AddNumber(0, nfa));
    return absl::OkStatus();
  }
  SY_ASSIGN_OR_RETURN(const Dfa texts, NumberTexts(words, budget()));
  nfa.Accept(AddDfa(texts, 0, nfa));
  if (texts.is_empty() && MayHoldUnwritten(words)) {
    if (!unwritten_.has_value()) unwritten_ = book_.AddRule("numbers that are not written");
    nfa.Accept(nfa.AddCall(0, {.rule = *unwritten_}));
  }
  return absl::OkStatus();
}

// What all of the patterns match, with so many characters; as it stands between the quotes.
absl::StatusOr<Dfa> SchemaCompiler::TextsOf(std::span<const StringPattern* const> patterns,
                                            uint32_t min, uint32_t max) {
  if (patterns.size() == 1) {
    const ExprPtr whole = WithLength(patterns[0]->expr, min, max);
    if (whole != nullptr) return CountedBody(*whole, Encoding::kJsonString, book_);
    if (min == 0 && max == kNoLimit) {
      return CountedBody(*patterns[0]->expr, Encoding::kJsonString, book_);
    }
  }
  std::vector<ExprPtr> exprs;
  for (const StringPattern* pattern : patterns) exprs.push_back(pattern->expr);
  if (min > 0 || max != kNoLimit) {
    exprs.push_back(MakeRepeat(MakeCharacters(CodePoints::All()), min, max));
  }
  Dfa texts;
  for (size_t i = 0; i < exprs.size(); ++i) {
    Nfa one(budget());
    one.Accept(AddExpr(*exprs[i], Encoding::kJsonString, 0, one));
    SY_ASSIGN_OR_RETURN(Dfa dfa, Determinize(one, budget()));
    if (i == 0) {
      texts = std::move(dfa);
    } else {
      SY_ASSIGN_OR_RETURN(texts, Intersect(texts, dfa, budget()));
    }
  }
  return texts;
}

absl::Status SchemaCompiler::AddStrings(const SchemaSet& branch, Nfa& nfa) {
  uint32_t min = 0;
  uint32_t max = kNoLimit;
  std::vector<const StringPattern*> patterns;
  for (const SchemaId id : branch) {
    min = std::max(min, nodes_[id].min_length);
    max = std::min(max, nodes_[id].max_length);
    for (const StringPattern& pattern : nodes_[id].patterns) patterns.push_back(&pattern);
  }
  if (min > max) return absl::OkStatus();
  if (patterns.empty() && min == 0 && max == kNoLimit) {
    SY_ASSIGN_OR_RETURN(const uint32_t string, json_.String());
    nfa.Accept(nfa.AddCall(0, {.rule = string}));
    return absl::OkStatus();
  }
  uint32_t at = nfa.AddText(0, "\"");
  if (patterns.empty()) {
    SY_ASSIGN_OR_RETURN(const uint32_t character, json_.Character());
    if (max > 0) at = nfa.AddCall(at, {.rule = character, .min = min, .max = max});
  } else {
    SY_ASSIGN_OR_RETURN(const Dfa texts, TextsOf(patterns, min, max));
    at = AddDfa(texts, at, nfa);
  }
  nfa.Accept(nfa.AddText(at, "\""));
  return absl::OkStatus();
}

SchemaSet SchemaCompiler::ItemAt(const SchemaSet& branch, size_t i) const {
  SchemaSet item;
  for (const SchemaId id : branch) {
    const SchemaNode& n = nodes_[id];
    if (i < n.prefix_items.size()) {
      item.push_back(n.prefix_items[i]);
    } else if (n.items.has_value()) {
      item.push_back(*n.items);
    }
  }
  return item;
}

absl::Status SchemaCompiler::AddArrays(const SchemaSet& branch, Nfa& nfa) {
  uint32_t min = 0;
  uint32_t max = kNoLimit;
  bool has_words = false;
  for (const SchemaId id : branch) {
    min = std::max(min, nodes_[id].min_items);
    max = std::min(max, nodes_[id].max_items);
    has_words |= nodes_[id].has_array_words();
  }
  if (min > max) return absl::OkStatus();
  if (has_words) return AddItems(branch, min, max, nfa);
  SY_ASSIGN_OR_RETURN(const uint32_t array, json_.Array());
  nfa.Accept(nfa.AddCall(0, {.rule = array}));
  return absl::OkStatus();
}

absl::Status SchemaCompiler::AddItems(const SchemaSet& branch, uint32_t min, uint32_t max,
                                      Nfa& nfa) {
  size_t num_prefix = 0;
  for (const SchemaId id : branch) {
    num_prefix = std::max(num_prefix, nodes_[id].prefix_items.size());
  }
  const uint32_t begin = json_.AddSpace(nfa.AddText(0, "["), nfa);
  const uint32_t end = nfa.AddState();
  nfa.Accept(nfa.AddText(end, "]"));
  if (min == 0) nfa.AddJump(begin, end);
  uint32_t at = begin;
  // The items that have a place of their own, and one more where none has.
  uint32_t num_items = 0;
  for (; num_items < std::min<size_t>(std::max<size_t>(num_prefix, 1), max); ++num_items) {
    if (!budget().Spend(branch.size())) return budget().Check();
    SY_ASSIGN_OR_RETURN(const uint32_t item, RuleOf(ItemAt(branch, num_items)));
    if (num_items > 0) at = json_.AddComma(at, nfa);
    at = json_.AddSpace(nfa.AddCall(at, {.rule = item}), nfa);
    if (num_items + 1 >= min) nfa.AddJump(at, end);
    SY_RETURN_IF_ERROR(budget().Check());
  }
  if (num_items == max) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const uint32_t item, RuleOf(ItemAt(branch, num_items)));
  const uint32_t least = min > num_items ? min - num_items : 0;
  const uint32_t most = max == kNoLimit ? kNoLimit : max - num_items;
  if (least == 0 && most == kNoLimit) {
    const uint32_t next = json_.AddComma(at, nfa);
    nfa.AddJump(json_.AddSpace(nfa.AddCall(next, {.rule = item}), nfa), at);
    return absl::OkStatus();
  }
  const uint32_t more = book_.AddRule("an item");
  Nfa one(budget());
  const uint32_t next = json_.AddComma(0, one);
  one.Accept(json_.AddSpace(one.AddCall(next, {.rule = item}), one));
  SY_RETURN_IF_ERROR(book_.SetBody(more, one));
  nfa.AddJump(nfa.AddCall(at, {.rule = more, .min = least, .max = most}), end);
  return absl::OkStatus();
}

}  // namespace switchyard::text::grammar
