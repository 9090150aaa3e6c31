// A place in the tokens of a template, moved by the parsers.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_TOKEN_CURSOR_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_TOKEN_CURSOR_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/text/jinja_lexer.h"

namespace switchyard::text::jinja {

class TokenCursor {
 public:
  // REQUIRES: ends in Token::Kind::kEnd.
  explicit TokenCursor(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[position_]; }
  const Token& next() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  int line() const { return current().line; }

  // Stays at the end once there.
  const Token& Take() {
    const Token& token = current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  bool AcceptOperator(std::string_view spelling) {
    if (!current().IsOperator(spelling)) return false;
    Take();
    return true;
  }
  bool AcceptName(std::string_view spelling) {
    if (!current().IsName(spelling)) return false;
    Take();
    return true;
  }
  absl::Status ExpectOperator(std::string_view spelling) {
    if (AcceptOperator(spelling)) return absl::OkStatus();
    return Unexpected(fmt::format("'{}'", spelling));
  }
  absl::StatusOr<std::string> ExpectName(std::string_view what) {
    if (current().kind != Token::Kind::kName) return Unexpected(what);
    return Take().text;
  }
  absl::Status Expect(Token::Kind kind, std::string_view what) {
    if (current().kind != kind) return Unexpected(what);
    Take();
    return absl::OkStatus();
  }
  absl::Status Error(std::string_view message) const { return SyntaxError(line(), message); }
  absl::Status Unexpected(std::string_view wanted) const {
    return Error(fmt::format("expected {}, found {}", wanted, Describe(current())));
  }

 private:
  static std::string Describe(const Token& token) {
    switch (token.kind) {
      case Token::Kind::kText:
        return "text outside of tags";
      case Token::Kind::kBlockBegin:
        return "'{%'";
      case Token::Kind::kBlockEnd:
        return "'%}'";
      case Token::Kind::kOutputBegin:
        return "'{{'";
      case Token::Kind::kOutputEnd:
        return "'}}'";
      case Token::Kind::kString:
        return "a string";
      case Token::Kind::kEnd:
        return "the end of the template";
      default:
        return fmt::format("'{}'", token.text);
    }
  }

  const std::vector<Token> tokens_;
  size_t position_ = 0;
};

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_TOKEN_CURSOR_H_
