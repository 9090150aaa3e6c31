// Draws a text token by token from what a grammar's masks allow, and checks the masks on the way.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_GRAMMAR_WALK_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_GRAMMAR_WALK_H_

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/sample/grammar_matcher.h"

namespace switchyard::text::grammar {

class Walk {
 public:
  Walk(worker::GrammarMatcher matcher, std::shared_ptr<const worker::TokenTrie> trie,
       int32_t ending, uint32_t seed)
      : matcher_(std::move(matcher)), trie_(std::move(trie)), ending_(ending), random_(seed) {}

  // The text, or what went wrong behind a "!".
  std::string Run() {
    for (int step = 0; step < kMaxSteps; ++step) {
      std::vector<uint32_t> mask(matcher_.mask_words());
      if (!matcher_.FillMask(std::array{ending_}, mask)) return "!nothing is allowed: " + text_;
      const bool may_end = ((mask[ending_ / 32] >> (ending_ % 32)) & 1) != 0;
      const std::vector<int32_t> allowed = AllowedTexts(mask);
      if (step % 16 == 0 && !IsExact(mask)) return "!the mask is wrong: " + text_;
      if (may_end != matcher_.IsAccepting()) return "!the ending token is wrong: " + text_;
      if (may_end && (allowed.empty() || step > kFreeSteps || random_() % 4 == 0)) return text_;
      const int32_t token = Choose(allowed, step);
      if (!matcher_.AdvanceToken(token)) return "!an allowed token is refused: " + text_;
      text_ += trie_->bytes(token);
    }
    return "!no end: " + text_;
  }

 private:
  static constexpr int kFreeSteps = 60;  // then the text is brought to an end
  static constexpr int kMaxSteps = 20'000;

  std::vector<int32_t> AllowedTexts(const std::vector<uint32_t>& mask) const {
    std::vector<int32_t> allowed;
    for (int32_t t = 0; t < trie_->vocab_size(); ++t) {
      if (t != ending_ && ((mask[t / 32] >> (t % 32)) & 1) != 0) allowed.push_back(t);
    }
    return allowed;
  }

  // The mask is what trying each token says.
  bool IsExact(const std::vector<uint32_t>& mask) {
    for (int32_t token = 0; token < trie_->vocab_size(); ++token) {
      if (token == ending_) continue;
      worker::GrammarMatcher copy = matcher_;
      const bool is_allowed = ((mask[token / 32] >> (token % 32)) & 1) != 0;
      if (copy.AdvanceToken(token) != is_allowed) return false;
    }
    return true;
  }

  // Any token, but what closes something oftener, most of all towards the end, and
  // then nothing that opens.
  int32_t Choose(const std::vector<int32_t>& allowed, int step) {
    const auto is_closing = [&](int32_t token) {
      const std::string_view bytes = trie_->bytes(token);
      return bytes == "\"" || bytes == "}" || bytes == "]";
    };
    std::vector<int32_t> closing;
    std::copy_if(allowed.begin(), allowed.end(), std::back_inserter(closing), is_closing);
    const bool closes = !closing.empty() && random_() % 10 < (step > kFreeSteps ? 6 : 2);
    if (closes) return closing[random_() % closing.size()];
    std::vector<int32_t> texts = allowed;
    const auto opens = [&](int32_t token) {
      return trie_->bytes(token).find_first_of("{[") != std::string_view::npos;
    };
    if (step > kFreeSteps && !std::all_of(texts.begin(), texts.end(), opens)) {
      std::erase_if(texts, opens);
    }
    return texts[random_() % texts.size()];
  }

  worker::GrammarMatcher matcher_;
  std::shared_ptr<const worker::TokenTrie> trie_;
  int32_t ending_;
  std::mt19937 random_;
  std::string text_;
};

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_GRAMMAR_WALK_H_
