// The tokenizers of tokenizer.json: added tokens, normalizer, pre-tokenizer and model, in this
// order. The model is BPE over bytes (GPT-2, LLaMA 3, Qwen, DeepSeek), BPE over characters with
// bytes to fall back on (Gemma, Mixtral), or Unigram.
#ifndef SWITCHYARD_COORDINATOR_TEXT_BPE_TOKENIZER_H_
#define SWITCHYARD_COORDINATOR_TEXT_BPE_TOKENIZER_H_

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "coordinator/text/added_tokens.h"
#include "coordinator/text/bpe_model.h"
#include "coordinator/text/normalizer.h"
#include "coordinator/text/pretokenizer.h"
#include "coordinator/text/tokenizer.h"
#include "coordinator/text/tokenizer_spec.h"
#include "coordinator/text/unigram_model.h"

namespace switchyard::text {

class BpeTokenizer : public Tokenizer {
 public:
  // Compiles what `spec` says. INVALID_ARGUMENT or UNIMPLEMENTED for a faulty regex or charsmap, a
  // BPE vocabulary that lacks a byte, or a token that is too long.
  static absl::StatusOr<std::unique_ptr<BpeTokenizer>> Create(TokenizerSpec spec);

  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              const EncodeOptions& options) const override;
  absl::StatusOr<std::vector<int32_t>> EncodeRendered(const RenderedText& prompt) const override;
  std::string_view DecodeToken(int32_t id) const override;
  bool IsSpecial(int32_t id) const override;
  int32_t vocab_size() const override { return int32_t(spec_.tokens.size()); }
  size_t num_stripped_spaces() const override { return spec_.num_stripped_spaces; }
  std::optional<size_t> max_token_bytes() const override { return max_token_bytes_; }
  std::optional<int32_t> TokenToId(std::string_view token) const override;
  std::optional<int32_t> bos_id() const override;
  std::optional<int32_t> eos_id() const override;

 private:
  class Call;

  BpeTokenizer(TokenizerSpec spec, Normalizer normalizer, Pretokenizer pretokenizer,
               AddedTokens verbatim, AddedTokens normalized, AddedTokens all);

  const TokenizerSpec spec_;
  const std::optional<size_t> max_token_bytes_;
  const Normalizer normalizer_;
  const Pretokenizer pretokenizer_;
  const AddedTokens verbatim_tokens_;  // those to look for in the text as it stands
  const AddedTokens
      normalized_tokens_;         // those to look for after normalization, in their normalized form
  const AddedTokens all_tokens_;  // both, as they stand: for rendered prompts
  std::variant<BpeModel, UnigramModel> model_;  // may hold views into spec_
  absl::flat_hash_map<std::string_view, int32_t> id_by_bytes_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_BPE_TOKENIZER_H_
