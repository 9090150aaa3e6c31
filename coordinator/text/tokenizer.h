// Text to token ids and back.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "coordinator/text/rendered_text.h"

namespace switchyard::text {

inline constexpr size_t kMaxEncodeBytes = 64 * kMiB;

struct EncodeOptions {
  // Added tokens (special or not) that the text spells become their ids. With false every byte of
  // the text is plain text.
  bool parse_special = false;
  // First the tokens that the model expects in front of raw text: BOS, where tokenizer_config.json
  // (`add_bos_token`) or, if that is silent, tokenizer.json (`post_processor`) asks for it. A
  // rendered chat template already holds them.
  bool add_special_tokens = false;
};

// One model's tokenizer. Immutable: every method may be called from any number of threads at once.
class Tokenizer {
 public:
  // Reads tokenizer.json and, if it is there, tokenizer_config.json of a checkpoint folder, or a
  // GGUF file.
  // NOT_FOUND, INVALID_ARGUMENT (malformed or inconsistent) or UNIMPLEMENTED (a kind of tokenizer
  // that Switchyard does not know), each naming file and field.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromFiles(const std::string& dir);

  virtual ~Tokenizer() = default;

  // The ids of `text`. INVALID_ARGUMENT if it is not UTF-8 or longer than kMaxEncodeBytes.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                                      const EncodeOptions& options) const = 0;

  // The ids of a rendered prompt. Added tokens count only where they stand in text of the template
  // from end to end; text of the request stays text. Between them the text is cut and merged as a
  // whole, wherever it came from. So the ids are those of Encode(prompt.Text(), {.parse_special =
  // true}) unless the request's text spells an added token. NOTE: a token with `normalized` is
  // looked for in the template's text as it stands, before normalization.
  virtual absl::StatusOr<std::vector<int32_t>> EncodeRendered(const RenderedText& prompt) const = 0;

  // The exact bytes of one token; they need not be UTF-8. Empty for an id that has no token
  // (padding of the embedding).
  virtual std::string_view DecodeToken(int32_t id) const = 0;

  // A special token: control, not text. False for an id that has no token.
  virtual bool IsSpecial(int32_t id) const = 0;

  // One more than the largest id. The model's logits may be wider.
  virtual int32_t vocab_size() const = 0;

  // The id of a token by its bytes: what an added token spells, or the bytes of one in the
  // vocabulary.
  virtual std::optional<int32_t> TokenToId(std::string_view token) const = 0;

  // No token stands for more bytes of the text that it encodes; none where it may drop or shrink
  // text, so that there is no such bound.
  virtual std::optional<size_t> max_token_bytes() const { return std::nullopt; }

  // From tokenizer_config.json; none if it names none.
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;

  // As many spaces at the beginning of an answer's first token do not become text: the tokenizer
  // has put one before what it encoded.
  virtual size_t num_stripped_spaces() const { return 0; }

  // The bytes of an answer's first token.
  std::string_view DecodeFirstToken(int32_t id) const;

  // The text of `ids`: their bytes in a row (DecodeFirstToken for the first that has any), one
  // U+FFFD for each maximal ill-formed subpart.
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_H_
