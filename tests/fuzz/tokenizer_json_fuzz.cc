// Any bytes as tokenizer.json: refused with a status, or a tokenizer that encodes and decodes. A
// second file may follow after a zero byte: tokenizer_config.json.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "coordinator/text/bpe_tokenizer.h"
#include "coordinator/text/detokenizer.h"
#include "coordinator/text/tokenizer_file.h"

namespace switchyard::text {
namespace {

constexpr std::string_view kSample =
    "A <s>b <x>  1234\n\n<|im_start|>don't caf\u00e9 e\u0301 \u65e5\u672c\u8a9e  ";

void CheckTokenizer(const Tokenizer& tokenizer) {
  for (const bool parse_special : {false, true}) {
    const auto ids =
        tokenizer.Encode(kSample, {.parse_special = parse_special, .add_special_tokens = true});
    if (!ids.ok()) continue;  // a regex may give up
    Detokenizer detokenizer(tokenizer, false);
    std::string streamed;
    for (const int32_t id : *ids) {
      SY_CHECK_GE(id, 0);
      SY_CHECK_LT(id, tokenizer.vocab_size());
      streamed += detokenizer.Push(id);
    }
    streamed += detokenizer.Flush();
    SY_CHECK_EQ(streamed, tokenizer.Decode(*ids, false));
  }
}

void ReadAndUse(std::string_view bytes) {
  const size_t end = bytes.find('\0');
  absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(bytes.substr(0, end));
  if (!spec.ok()) return;
  if (end != bytes.npos && !ApplyTokenizerConfig(bytes.substr(end + 1), *spec).ok()) return;
  const auto tokenizer = BpeTokenizer::Create(std::move(*spec));
  if (tokenizer.ok()) CheckTokenizer(**tokenizer);
}

}  // namespace
}  // namespace switchyard::text

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  switchyard::text::ReadAndUse({reinterpret_cast<const char*>(data), size});
  return 0;
}
