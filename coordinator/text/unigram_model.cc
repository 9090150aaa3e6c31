#include "coordinator/text/unigram_model.h"

#include <algorithm>

#include "base/check.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr double kUnknownPenalty = 10.0;
// Every place of a text is searched for tokens this long.
constexpr size_t kMaxTokenBytes = 1024;

}  // namespace

absl::StatusOr<UnigramModel> UnigramModel::Create(const TokenizerSpec& spec) {
  SY_CHECK(spec.unigram.has_value());
  const UnigramSpec& unigram = *spec.unigram;
  SY_CHECK(unigram.unk_id >= 0 && unigram.unk_id < std::ssize(unigram.scores));
  UnigramModel model;
  model.scores_ = unigram.scores;
  model.unknown_score_ =
      *std::min_element(unigram.scores.begin(), unigram.scores.end()) - kUnknownPenalty;
  model.unk_id_ = unigram.unk_id;
  model.falls_back_ = unigram.falls_back;
  std::vector<PieceTrie::Piece> pieces;
  for (size_t id = 0; id < unigram.scores.size(); ++id) {
    const std::string& piece = spec.tokens[id].piece();
    if (piece.size() > kMaxTokenBytes) {
      return absl::InvalidArgumentError(fmt::format("model.vocab[{}] has {} bytes, more than {}",
                                                    id, piece.size(), kMaxTokenBytes));
    }
    if (!piece.empty()) pieces.push_back({piece, int32_t(id)});
  }
  model.trie_ = PieceTrie(std::move(pieces));
  for (int byte = 0; byte < 256; ++byte) {
    model.byte_ids_[byte] = model.trie_.Find(fmt::format("<0x{:02X}>", byte));
  }
  return model;
}

void UnigramModel::Append(std::string_view piece, Scratch& scratch,
                          std::vector<int32_t>& ids) const {
  FindBest(piece, scratch);
  auto& ends = scratch.ends;
  ends.clear();
  for (auto at = int32_t(piece.size()); at > 0; at = scratch.places[at].begin) ends.push_back(at);
  size_t begin = 0;
  size_t known_end = 0;  // behind it all tokens so far are unknown
  const auto flush_unknown = [&] {
    if (known_end < begin) AppendUnknown(piece.substr(known_end, begin - known_end), ids);
  };
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const int32_t id = scratch.places[*end].id;
    if (id != unk_id_) {
      flush_unknown();
      ids.push_back(id);
      known_end = size_t(*end);
    }
    begin = size_t(*end);
  }
  flush_unknown();
}

// Viterbi: the places from left to right, each with its best way when its turn comes.
void UnigramModel::FindBest(std::string_view piece, Scratch& scratch) const {
  auto& places = scratch.places;
  places.assign(piece.size() + 1, {});
  for (size_t at = 0; at < piece.size();) {
    const double score = places[at].score;
    const auto offer = [&](size_t length, int32_t id, double token_score) {
      Scratch::Place& place = places[at + length];
      if (place.begin >= 0 && token_score + score <= place.score) return;
      place = {.score = token_score + score, .begin = int32_t(at), .id = id};
    };
    const auto character = size_t(ReadUtf8Head(piece.substr(at)).num_bytes);
    bool is_known = false;
    trie_.ForEachPrefix(piece.substr(at), [&](size_t length, int32_t id) {
      offer(length, id, scores_[id]);
      is_known |= length == character;
    });
    if (!is_known) offer(character, unk_id_, unknown_score_);
    at += character;
  }
}

void UnigramModel::AppendUnknown(std::string_view characters, std::vector<int32_t>& ids) const {
  const int32_t whole = trie_.Find(characters);
  const auto has_token = [&](char byte) { return byte_ids_[uint8_t(byte)] != PieceTrie::kNone; };
  if (whole != PieceTrie::kNone) {
    ids.push_back(whole);
  } else if (falls_back_ && std::all_of(characters.begin(), characters.end(), has_token)) {
    for (const char byte : characters) ids.push_back(byte_ids_[uint8_t(byte)]);
  } else {
    ids.push_back(unk_id_);
  }
}

}  // namespace switchyard::text
