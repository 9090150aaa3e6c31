#include "cli/tokenize_command.h"

#include <fmt/ranges.h>

#include <charconv>
#include <istream>
#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "coordinator/text/tokenizer.h"

namespace switchyard::cli {
namespace {

using text::Tokenizer;

absl::StatusOr<std::string> ReadAll(std::istream& in) {
  std::string bytes;
  std::vector<char> buffer(64 * kKiB);
  while (in.read(buffer.data(), std::streamsize(buffer.size())) || in.gcount() > 0) {
    bytes.append(buffer.data(), size_t(in.gcount()));
    if (bytes.size() > text::kMaxEncodeBytes) {
      return absl::InvalidArgumentError(
          fmt::format("the input is longer than {}", FormatBytes(text::kMaxEncodeBytes)));
    }
  }
  return bytes;
}

absl::StatusOr<std::string> Encode(const Tokenizer& tokenizer, bool parse_special,
                                   std::string_view input) {
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                      tokenizer.Encode(input, {.parse_special = parse_special}));
  return fmt::format("{}\n", fmt::join(ids, " "));
}

absl::StatusOr<std::string> Decode(const Tokenizer& tokenizer, std::string_view input) {
  constexpr std::string_view kSpace = " \t\r\n";
  std::string bytes;
  for (size_t at = input.find_first_not_of(kSpace); at != input.npos;
       at = input.find_first_not_of(kSpace, at)) {
    const std::string_view word = input.substr(at, input.find_first_of(kSpace, at) - at);
    int32_t id = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    const bool is_number = error == std::errc() && end == word.data() + word.size();
    if (!is_number || id < 0 || id >= tokenizer.vocab_size()) {
      return absl::InvalidArgumentError(fmt::format("\"{}\" is no token id; ids are 0 to {}",
                                                    word.substr(0, 40),
                                                    tokenizer.vocab_size() - 1));
    }
    bytes += tokenizer.DecodeToken(id);
    at += word.size();
  }
  return bytes;
}

}  // namespace

absl::Status RunTokenize(const TokenizeOptions& options, std::istream& in, std::ostream& out) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                      Tokenizer::FromFiles(options.model_folder));
  SY_ASSIGN_OR_RETURN(const std::string input, ReadAll(in));
  SY_ASSIGN_OR_RETURN(const std::string output,
                      options.decode ? Decode(*tokenizer, input)
                                     : Encode(*tokenizer, options.parse_special, input));
  out << output << std::flush;
  if (!out) return absl::ResourceExhaustedError("the output cannot be written");
  return absl::OkStatus();
}

}  // namespace switchyard::cli
