#include "coordinator/text/grammar/token_table.h"

namespace switchyard::text::grammar {

v1::TokenTable MakeTokenTable(const Tokenizer& tokenizer) {
  v1::TokenTable table;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view bytes =
        tokenizer.IsSpecial(id) ? std::string_view() : tokenizer.DecodeToken(id);
    table.mutable_bytes()->append(bytes);
    table.add_lengths(static_cast<uint32_t>(bytes.size()));
  }
  return table;
}

}  // namespace switchyard::text::grammar
