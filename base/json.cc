#include "base/json.h"

#include <string>
#include <unordered_set>
#include <vector>

namespace switchyard {
namespace {

// What a message quotes of a text from outside, which may be very long.
std::string Shown(std::string_view text) {
  constexpr size_t kMaxShown = 200;
  if (text.size() <= kMaxShown) return std::string(text);
  size_t end = kMaxShown;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // do not cut a character
  return std::string(text.substr(0, end)) + "...";
}

// Builds the value itself, so that depth and doubled keys are refused where they stand.
class LimitedBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit LimitedBuilder(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return Fail("binary value"); }
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    key_ = std::move(name);
    if (!open_.back().keys.insert(key_).second)
      return Fail(fmt::format("key \"{}\" twice", Shown(key_)));
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    // "[json.exception.parse_error.101] parse error at ...; last read: 'all of a text without end'"
    std::string_view what = e.what();
    if (const size_t id_end = what.find("] "); id_end != what.npos) what.remove_prefix(id_end + 2);
    return Fail(Shown(what));
  }

  const std::string& error() const { return error_; }
  Json TakeRoot() { return std::move(root_); }

 private:
  // An array or object whose end has not come yet.
  struct Container {
    Json* value;
    std::unordered_set<std::string> keys;  // of an object
  };

  Json* Place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // `keys` has shown the key to be new. An ordered object would search all its members again, and
    // a checkpoint's index has a hundred thousand of them: append to the vector that it is.
    using Members = Json::object_t::Container;
    return &static_cast<Members&>(parent.get_ref<Json::object_t&>())
                .emplace_back(key_, std::move(value))
                .second;
  }
  bool Add(Json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(Json value) {
    if (int(open_.size()) >= max_depth_) {
      return Fail(fmt::format("nested deeper than {} levels", max_depth_));
    }
    // A container's address stays valid while it is open: its parent grows only after it is closed.
    open_.push_back({Place(std::move(value)), {}});
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }
  bool Fail(std::string message) {
    error_ = std::move(message);
    return false;
  }

  const int max_depth_;
  Json root_;
  std::vector<Container> open_;
  std::string key_;
  std::string error_;
};

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, int max_depth) {
  LimitedBuilder builder(max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(fmt::format("malformed JSON: {}", builder.error()));
  }
  return builder.TakeRoot();
}

}  // namespace switchyard
