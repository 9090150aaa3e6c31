// How byte-level tokenizers of GGUF files cut text before bytes are merged: by a name in
// `tokenizer.ggml.pre`, whose expressions are those of the makers' tokenizer.json.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GGUF_SPLITS_H_
#define SWITCHYARD_COORDINATOR_TEXT_GGUF_SPLITS_H_

#include <span>
#include <string_view>
#include <vector>

namespace switchyard::text {

struct GgufSplits {
  std::span<const std::string_view> patterns;  // Oniguruma's dialect; each match becomes a piece
  bool nfc = false;                            // text is normalized first
  bool ignore_merges = false;                  // a piece that is a token as a whole is that token
  bool begins_with_bos = false;                // where the file does not say whether texts do
};

// Null if the name is not known.
const GgufSplits* FindGgufSplits(std::string_view name);
std::vector<std::string_view> GgufSplitNames();

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_GGUF_SPLITS_H_
