#include "coordinator/text/grammar/token_table.h"

#include <fmt/format.h>

namespace switchyard::text::grammar {
namespace {

constexpr std::string_view kBorder = "\xff";

std::string Bordered(std::string_view token) { return fmt::format("{0}{1}{0}", kBorder, token); }

std::string TableBytes(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view bytes = tokenizer.DecodeToken(id);
  if (bytes.empty() || bytes.find(kBorder) != bytes.npos) return "";
  return tokenizer.IsSpecial(id) ? Bordered(bytes) : std::string(bytes);
}

}  // namespace

v1::TokenTable MakeTokenTable(const Tokenizer& tokenizer) {
  v1::TokenTable table;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string bytes = TableBytes(tokenizer, id);
    table.mutable_bytes()->append(bytes);
    table.add_lengths(static_cast<uint32_t>(bytes.size()));
  }
  return table;
}

std::string WithSpecialTokens(const Tokenizer& tokenizer, std::string_view text,
                              const std::vector<std::string_view>& marks) {
  std::string result(text);
  for (const std::string_view mark : marks) {
    if (!IsSpecialToken(tokenizer, mark)) continue;
    const std::string bordered = Bordered(mark);
    for (size_t at = result.find(mark); at != result.npos;
         at = result.find(mark, at + bordered.size())) {
      result.replace(at, mark.size(), bordered);
    }
  }
  return result;
}

bool IsSpecialToken(const Tokenizer& tokenizer, std::string_view text) {
  const std::optional<int32_t> id = tokenizer.TokenToId(text);
  return id && tokenizer.IsSpecial(*id);
}

}  // namespace switchyard::text::grammar
