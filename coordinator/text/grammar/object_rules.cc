// AddObjects of schema_compiler.h: members in the order in which the schemas name them, then those
// that they do not name.
#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "coordinator/text/grammar/schema_compiler.h"

namespace switchyard::text::grammar {
namespace {

constexpr size_t kMaxPatterns = 6;

class ObjectWriter {
 public:
  ObjectWriter(const SchemaSet& branch, SchemaCompiler& compiler, Nfa& nfa)
      : branch_(branch), compiler_(compiler), nfa_(nfa) {}

  absl::Status Write() {
    for (const SchemaId id : branch_) {
      min_ = std::max(min_, compiler_.node(id).min_properties);
      max_ = std::min(max_, compiler_.node(id).max_properties);
      has_words_ |= compiler_.node(id).has_object_words();
    }
    if (min_ > max_) return absl::OkStatus();
    if (!has_words_) {
      SY_ASSIGN_OR_RETURN(const uint32_t object, compiler_.json().Object());
      nfa_.Accept(nfa_.AddCall(0, {.rule = object}));
      return absl::OkStatus();
    }
    SY_RETURN_IF_ERROR(FindMembers());
    SY_RETURN_IF_ERROR(FindOthers());
    SY_RETURN_IF_ERROR(CheckLeast());
    return WriteStates();
  }

 private:
  struct Member {
    std::string name;
    bool is_required = false;
    SchemaSet schemas;
    bool is_forbidden = false;
    uint32_t rule = 0;
  };
  // Names that no schema names, and what their values are.
  struct Others {
    Dfa names;  // inside of the quotes
    uint32_t rule = 0;
  };

  absl::Status FindMembers() {
    std::map<std::string, size_t> known;
    const auto find = [&](const std::string& name) -> Member& {
      const auto [at, is_new] = known.try_emplace(name, members_.size());
      if (is_new) members_.push_back({.name = name});
      return members_[at->second];
    };
    for (const SchemaId id : branch_) {
      for (const auto& [name, schema] : compiler_.node(id).properties) find(name);
    }
    for (const SchemaId id : branch_) {
      for (const std::string& name : compiler_.node(id).required) find(name).is_required = true;
    }
    std::vector<Properties> properties;
    for (const SchemaId id : branch_) {
      const auto& named = compiler_.node(id).properties;
      properties.emplace_back(named.begin(), named.end());
    }
    for (Member& member : members_) {
      for (size_t i = 0; i < branch_.size(); ++i) {
        SY_RETURN_IF_ERROR(AddSchemas(compiler_.node(branch_[i]), properties[i], member));
      }
      for (const SchemaId id : member.schemas) {
        member.is_forbidden |= compiler_.node(id).is_false();
      }
      if (member.is_forbidden) continue;
      SY_ASSIGN_OR_RETURN(member.rule, compiler_.RuleOf(member.schemas));
    }
    return absl::OkStatus();
  }

  using Properties = std::unordered_map<std::string_view, SchemaId>;

  // What `node`, whose properties are these, asks of the member.
  absl::Status AddSchemas(const SchemaNode& node, const Properties& properties, Member& member) {
    const size_t work = 1 + node.pattern_properties.size() * (1 + member.name.size() / 8);
    if (!compiler_.budget().Spend(work)) return compiler_.budget().Check();
    const auto property = properties.find(member.name);
    bool is_known = property != properties.end();
    if (is_known) member.schemas.push_back(property->second);
    for (const auto& pattern : node.pattern_properties) {
      if (!pattern.name.plain.Matches(member.name)) continue;
      member.schemas.push_back(pattern.schema);
      is_known = true;
    }
    if (!is_known && node.additional_properties.has_value()) {
      member.schemas.push_back(*node.additional_properties);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Dfa> Names(const Expr& expr) {
    Nfa nfa(compiler_.budget());
    nfa.Accept(AddExpr(expr, Encoding::kJsonString, 0, nfa));
    return Determinize(nfa, compiler_.budget());
  }

  // Cuts the names that are left into those that match the same patterns.
  absl::Status FindOthers() {
    SY_ASSIGN_OR_RETURN(Dfa all,
                        Names(*MakeRepeat(MakeCharacters(CodePoints::All()), 0, kNoLimit)));
    if (!members_.empty()) {
      std::vector<ExprPtr> names;
      for (const Member& member : members_) names.push_back(MakeText(member.name));
      SY_ASSIGN_OR_RETURN(const Dfa known, Names(*MakeChoice(std::move(names))));
      SY_ASSIGN_OR_RETURN(all, Subtract(all, known, compiler_.budget()));
    }
    std::vector<std::pair<SchemaId, const SchemaNode::PatternProperty*>> patterns;
    for (const SchemaId id : branch_) {
      for (const auto& pattern : compiler_.node(id).pattern_properties) {
        patterns.emplace_back(id, &pattern);
      }
    }
    if (patterns.size() > kMaxPatterns) {
      return absl::InvalidArgumentError(
          fmt::format("patternProperties: more than {} patterns together", kMaxPatterns));
    }
    for (uint32_t matching = 0; matching < (1u << patterns.size()); ++matching) {
      Dfa names = all;
      std::set<SchemaId> matched;  // by a pattern of theirs
      SchemaSet schemas;
      for (size_t p = 0; p < patterns.size(); ++p) {
        SY_ASSIGN_OR_RETURN(const Dfa pattern, Names(*patterns[p].second->name.expr));
        const bool matches = ((matching >> p) & 1) != 0;
        auto cut = matches ? Intersect(names, pattern, compiler_.budget())
                           : Subtract(names, pattern, compiler_.budget());
        if (!cut.ok()) return cut.status();
        names = *std::move(cut);
        if (!matches) continue;
        matched.insert(patterns[p].first);
        schemas.push_back(patterns[p].second->schema);
      }
      if (names.is_empty()) continue;
      for (const SchemaId id : branch_) {
        const auto& additional = compiler_.node(id).additional_properties;
        if (!matched.contains(id) && additional.has_value()) schemas.push_back(*additional);
      }
      const bool is_forbidden = std::any_of(schemas.begin(), schemas.end(), [&](SchemaId id) {
        return compiler_.node(id).is_false();
      });
      if (is_forbidden) continue;
      SY_ASSIGN_OR_RETURN(const uint32_t rule, compiler_.RuleOf(schemas));
      others_.push_back({.names = std::move(names), .rule = rule});
    }
    return absl::OkStatus();
  }

  // Where there are others, more of them might satisfy a schema that is refused here.
  absl::Status CheckLeast() const {
    const auto num_named = std::count_if(members_.begin(), members_.end(),
                                         [](const Member& member) { return !member.is_forbidden; });
    if (others_.empty() || num_named + 1 >= int64_t{min_}) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("minProperties: {} members cannot be promised: those that the schema does not "
                    "name count once, since their names may be equal; name them in 'properties'",
                    min_));
  }

  // How far an object has come: before member `next`, with so many of the named members, at most
  // what makes a difference, and so many others. Others count once for the minimum: their names
  // may be equal.
  struct Place {
    size_t next = 0;
    uint32_t num_named = 0;
    uint32_t num_others = 0;
    auto operator<=>(const Place&) const = default;
    bool is_first() const { return num_named == 0 && num_others == 0; }
  };

  bool MayGrow(const Place& place) const {
    return max_ == kNoLimit || place.num_named + place.num_others < max_;
  }

  Place Grown(Place place, bool is_named) const {
    uint32_t& count = is_named ? place.num_named : place.num_others;
    const uint32_t enough = max_ != kNoLimit ? max_ : is_named ? std::max(min_, 1u) : 1;
    count = std::min(count + 1, enough);
    if (is_named) ++place.next;
    return place;
  }

  uint32_t StateOf(const Place& place) {
    const auto [at, is_new] = states_.try_emplace(place, 0);
    if (is_new) {
      at->second = nfa_.AddState();
      open_.push_back(place);
    }
    return at->second;
  }

  absl::Status WriteStates() {
    begin_ = compiler_.json().AddSpace(nfa_.AddText(0, "{"), nfa_);
    end_ = nfa_.AddState();
    nfa_.Accept(nfa_.AddText(end_, "}"));
    nfa_.AddJump(begin_, StateOf({}));
    while (!open_.empty()) {
      SY_RETURN_IF_ERROR(compiler_.budget().Check());
      const Place place = open_.back();
      open_.pop_back();
      if (place.next == members_.size()) {
        WriteLast(place);
      } else {
        WriteMember(place);
      }
    }
    return absl::OkStatus();
  }

  void WriteMember(const Place& place) {
    const Member& member = members_[place.next];
    if (!member.is_required) {
      nfa_.AddJump(StateOf(place), StateOf({place.next + 1, place.num_named, place.num_others}));
    }
    if (member.is_forbidden || !MayGrow(place)) return;
    const Place after = Grown(place, true);
    // Where a name begins, whatever came before, if it leads to the same place.
    const auto [name, is_new] = names_.try_emplace(after, 0);
    if (is_new) {
      name->second = nfa_.AddState();
      const std::string text = Json(member.name).dump();
      WriteValue(nfa_.AddText(name->second, text), member.rule, StateOf(after));
    }
    nfa_.AddJump(WriteComma(place), name->second);
  }

  void WriteLast(const Place& place) {
    const uint32_t state = StateOf(place);
    if (place.num_named + std::min(place.num_others, 1u) >= min_) nfa_.AddJump(state, end_);
    if (others_.empty() || !MayGrow(place)) return;
    const Place after = Grown(place, false);
    const auto [name, is_new] = names_.try_emplace(after, 0);
    if (is_new) {
      name->second = nfa_.AddState();
      const uint32_t quote = nfa_.AddText(name->second, "\"");
      for (const Others& others : others_) {
        const uint32_t unquoted = nfa_.AddText(AddDfa(others.names, quote, nfa_), "\"");
        WriteValue(unquoted, others.rule, StateOf(after));
      }
    }
    nfa_.AddJump(WriteComma(place), name->second);
  }

  uint32_t WriteComma(const Place& place) {
    if (place.is_first()) return StateOf(place);
    return compiler_.json().AddComma(StateOf(place), nfa_);
  }

  void WriteValue(uint32_t from, uint32_t rule, uint32_t to) {
    const uint32_t colon = compiler_.json().AddColon(from, nfa_);
    nfa_.AddJump(compiler_.json().AddSpace(nfa_.AddCall(colon, {.rule = rule}), nfa_), to);
  }

  const SchemaSet& branch_;
  SchemaCompiler& compiler_;
  Nfa& nfa_;
  uint32_t min_ = 0;
  uint32_t max_ = kNoLimit;
  bool has_words_ = false;
  std::vector<Member> members_;
  std::vector<Others> others_;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  std::map<Place, uint32_t> states_;
  std::vector<Place> open_;  // states that have no way on yet
  std::map<Place, uint32_t> names_;
};

}  // namespace

absl::Status AddObjects(const SchemaSet& branch, SchemaCompiler& compiler, Nfa& nfa) {
  return ObjectWriter(branch, compiler, nfa).Write();
}

}  // namespace switchyard::text::grammar
