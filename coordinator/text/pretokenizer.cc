#include "coordinator/text/pretokenizer.h"

#include <absl/strings/str_replace.h>

#include <utility>

#include "coordinator/text/tokenizer.h"

namespace switchyard::text {
namespace {

// Joins neighbouring spans of matched and unmatched text as a behaviour asks, on the fly.
class SpanJoiner {
 public:
  explicit SpanJoiner(SplitBehavior behavior) : behavior_(behavior) {}

  // Takes the next span; true if one is complete, which `done` then holds.
  bool Add(Regex::Match span, bool is_match, Regex::Match& done) {
    const bool joins = has_held_ && Joins(is_match);
    held_is_match_ = is_match;
    if (joins) {
      held_.end = span.end;
      return false;
    }
    done = held_;
    held_ = span;
    return std::exchange(has_held_, true);
  }

  bool Finish(Regex::Match& done) {
    done = held_;
    return std::exchange(has_held_, false);
  }

 private:
  bool Joins(bool is_match) const {
    switch (behavior_) {
      case SplitBehavior::kMergedWithPrevious:
        return is_match && !held_is_match_;
      case SplitBehavior::kMergedWithNext:
        return held_is_match_ && !is_match;
      case SplitBehavior::kContiguous:
        return is_match == held_is_match_;
      default:
        return false;
    }
  }

  const SplitBehavior behavior_;
  bool has_held_ = false;
  bool held_is_match_ = false;  // of the span that was added last
  Regex::Match held_;
};

}  // namespace

// One walk over one text: depth first, so that a piece passes all splits before the next one is
// looked for.
class Pretokenizer::Walk {
 public:
  Walk(const std::vector<Split>& splits, RegexScratch& scratch,
       absl::FunctionRef<void(std::string_view)> read)
      : splits_(splits), scratch_(scratch), read_(read) {}

  // Runs `piece` through the splits from number `depth` on. `is_start`: what is encoded begins
  // with it.
  absl::Status Descend(size_t depth, std::string_view piece, bool is_start) {
    if (piece.empty()) return absl::OkStatus();
    if (depth == splits_.size()) {
      read_(piece);
      return absl::OkStatus();
    }
    const Split& split = splits_[depth];
    std::string respelled;
    if (split.space != " " && piece.find(' ') != piece.npos) {
      respelled = piece;
      absl::StrReplaceAll({{" ", split.space}}, &respelled);
      piece = respelled;
    }
    const bool has_prefix = split.prefix_space == PrefixSpace::kAlways ||
                            (split.prefix_space == PrefixSpace::kFirst && is_start);
    if (has_prefix && !piece.starts_with(split.space)) {
      piece = respelled = fmt::format("{}{}", split.space, piece);
    }
    if (piece.size() > kMaxEncodeBytes) {
      return absl::ResourceExhaustedError(fmt::format(
          "the pre-tokenizer makes a piece of text longer than {}", FormatBytes(kMaxEncodeBytes)));
    }
    return Cut(depth, piece, is_start);
  }

 private:
  absl::Status Cut(size_t depth, std::string_view piece, bool is_start) {
    const Split& split = splits_[depth];
    if (!split.pattern.has_value()) return Descend(depth + 1, piece, is_start);
    const auto descend = [&](Regex::Match part) {
      return Descend(depth + 1, piece.substr(part.begin, part.end - part.begin),
                     is_start && part.begin == 0);
    };
    SpanJoiner joiner(split.behavior);
    const auto add = [&](Regex::Match span, bool is_match) {
      is_match ^= split.invert;
      if (is_match && split.behavior == SplitBehavior::kRemoved) return absl::OkStatus();
      Regex::Match done;
      if (!joiner.Add(span, is_match, done)) return absl::OkStatus();
      return descend(done);
    };

    MatchWalk walk(*split.pattern, piece, scratch_);
    size_t at = 0;
    while (true) {
      Regex::Match match;
      SY_ASSIGN_OR_RETURN(const bool found, walk.Next(match));
      if (!found) break;
      if (at < match.begin) SY_RETURN_IF_ERROR(add({at, match.begin}, false));
      SY_RETURN_IF_ERROR(add(match, true));
      at = match.end;
    }
    if (at < piece.size()) SY_RETURN_IF_ERROR(add({at, piece.size()}, false));
    Regex::Match last;
    return joiner.Finish(last) ? descend(last) : absl::OkStatus();
  }

  const std::vector<Split>& splits_;
  RegexScratch& scratch_;
  absl::FunctionRef<void(std::string_view)> read_;
};

absl::StatusOr<Pretokenizer> Pretokenizer::Create(const std::vector<SplitSpec>& specs) {
  Pretokenizer pretokenizer;
  for (const SplitSpec& spec : specs) {
    Split split{.pattern = std::nullopt,
                .behavior = spec.behavior,
                .invert = spec.invert,
                .prefix_space = spec.prefix_space,
                .space = spec.space};
    if (spec.has_pattern) {
      SY_ASSIGN_OR_RETURN(split.pattern, spec.pattern.is_regex ? Regex::Compile(spec.pattern.text)
                                                               : Regex::Literal(spec.pattern.text));
    }
    pretokenizer.splits_.push_back(std::move(split));
  }
  return pretokenizer;
}

absl::Status Pretokenizer::ForEachPiece(std::string_view text, bool is_start, RegexScratch& scratch,
                                        absl::FunctionRef<void(std::string_view)> read) const {
  return Walk(splits_, scratch, read).Descend(0, text, is_start);
}

}  // namespace switchyard::text
