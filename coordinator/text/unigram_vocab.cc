#include "coordinator/text/unigram_vocab.h"

#include "coordinator/text/tokenizer_file.h"

namespace switchyard::text {
namespace {

absl::StatusOr<int32_t> ReadUnkId(const JsonField& field, size_t num_tokens) {
  if (field.IsNull()) {
    return field.Unsupported("is missing; without an unknown token not every text has ids");
  }
  const Json& value = field.value();
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= num_tokens) {
    return field.Invalid(
        fmt::format("expected a number below the {} tokens of model.vocab, found {}", num_tokens,
                    value.dump().substr(0, 40)));
  }
  return value.get<int32_t>();
}

}  // namespace

absl::StatusOr<UnigramVocab> ReadUnigramVocab(const JsonField& model) {
  const JsonField list = model.Member("vocab");
  SY_RETURN_IF_ERROR(list.Expect(list.value().is_array(), "an array"));
  const size_t num_tokens = list.value().size();
  if (num_tokens > size_t{kMaxTokenId} + 1) {
    return list.Invalid(fmt::format("has {} tokens, more than {}", num_tokens, kMaxTokenId + 1));
  }
  UnigramVocab vocab;
  vocab.ids.reserve(num_tokens);
  vocab.spec.scores.reserve(num_tokens);
  for (size_t id = 0; id < num_tokens; ++id) {
    const Json& token = list.value()[id];
    if (!token.is_array() || token.size() != 2 || !token[0].is_string() || !token[1].is_number()) {
      return list.Element(id).Invalid("expected [\"token\", score]");
    }
    const auto& spelling = token[0].get_ref<const std::string&>();
    if (!vocab.ids.emplace(spelling, int32_t(id)).second) {
      return list.Element(id).Invalid(fmt::format("\"{}\" is there twice", spelling.substr(0, 80)));
    }
    vocab.spec.scores.push_back(token[1].get<double>());
  }
  SY_ASSIGN_OR_RETURN(vocab.spec.unk_id, ReadUnkId(model.Member("unk_id"), num_tokens));
  SY_ASSIGN_OR_RETURN(vocab.spec.falls_back, model.Member("byte_fallback").AsBool(false));
  return vocab;
}

}  // namespace switchyard::text
