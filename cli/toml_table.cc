#include "cli/toml_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

// Debian's compiled library throws; compiled here, it does not.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>
#include <sstream>

namespace switchyard::cli {
namespace {

struct UnitName {
  std::string_view name;
  double factor;
};

constexpr double kMostAmount = 1e18;
constexpr double kKi = 1024;
constexpr UnitName kByteUnits[] = {{"TiB", kKi* kKi* kKi* kKi},
                                   {"GiB", kKi* kKi* kKi},
                                   {"MiB", kKi* kKi},
                                   {"KiB", kKi},
                                   {"TB", 1e12},
                                   {"GB", 1e9},
                                   {"MB", 1e6},
                                   {"KB", 1e3},
                                   {"B", 1}};
constexpr UnitName kRateUnits[] = {{"TB/s", 1e12},     {"GB/s", 1e9},     {"MB/s", 1e6},
                                   {"Tb/s", 1e12 / 8}, {"Gb/s", 1e9 / 8}, {"Mb/s", 1e6 / 8}};
constexpr UnitName kFlopsUnits[] = {{"PFLOP/s", 1e15}, {"TFLOP/s", 1e12}, {"GFLOP/s", 1e9}};

std::span<const UnitName> UnitsOf(TomlUnit unit) {
  switch (unit) {
    case TomlUnit::kBytes:
      return kByteUnits;
    case TomlUnit::kBytesPerSecond:
      return kRateUnits;
    case TomlUnit::kFlops:
      return kFlopsUnits;
  }
  return {};
}

std::string_view ExampleOf(TomlUnit unit) {
  switch (unit) {
    case TomlUnit::kBytes:
      return "\"80 GiB\"";
    case TomlUnit::kBytesPerSecond:
      return "\"50 GB/s\"";
    case TomlUnit::kFlops:
      return "\"989 TFLOP/s\"";
  }
  return "";
}

std::string ShortText(const toml::node& node) {
  constexpr size_t kLongest = 40;
  std::ostringstream out;
  out << toml::node_view<const toml::node>(node);
  std::string text = out.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

int LineOfNode(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

}  // namespace

void TomlFaults::Add(int line, const std::string& what) {
  faults_.push_back({.line = line,
                     .text = line > 0 ? fmt::format("{}:{}: {}", file_, line, what)
                                      : fmt::format("{}: {}", file_, what)});
}

absl::Status TomlFaults::ToStatus() const {
  if (faults_.empty()) return absl::OkStatus();
  std::vector<Fault> sorted = faults_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Fault& a, const Fault& b) { return a.line < b.line; });
  std::vector<std::string> texts;
  for (const Fault& fault : sorted) texts.push_back(fault.text);
  return absl::InvalidArgumentError(fmt::format("{}", fmt::join(texts, "; ")));
}

absl::StatusOr<double> ParseAmount(std::string_view text, TomlUnit unit) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view name = text.substr(static_cast<size_t>(end - text.data()));
  while (name.starts_with(' ')) name.remove_prefix(1);
  if (error == std::errc() && std::isfinite(value) && value > 0) {
    for (const UnitName& known : UnitsOf(unit)) {
      if (name != known.name) continue;
      const double amount = value * known.factor;
      if (amount >= 1 && amount <= kMostAmount) return amount;
      return absl::InvalidArgumentError(
          fmt::format("is {:g} in bytes or FLOPs: must be from 1 to {:g}", amount, kMostAmount));
    }
  }
  std::vector<std::string_view> names;
  for (const UnitName& known : UnitsOf(unit)) names.push_back(known.name);
  return absl::InvalidArgumentError(
      fmt::format("must be a number above 0 and one of {}, such as {}", fmt::join(names, ", "),
                  ExampleOf(unit)));
}

// The whole file's table is owned by the reader of it, the others point into it.
struct TomlTable::Node {
  toml::table owned;
  const toml::table* table = nullptr;
  int line = 0;
};

TomlTable::TomlTable(std::unique_ptr<Node> node, std::string name, TomlFaults& faults)
    : node_(std::move(node)), name_(std::move(name)), faults_(&faults) {
  if (node_->table == nullptr) node_->table = &node_->owned;
}
TomlTable::~TomlTable() = default;
TomlTable::TomlTable(TomlTable&&) noexcept = default;

TomlTable TomlTable::Parse(std::string_view text, TomlFaults& faults) {
  auto node = std::make_unique<Node>();
  toml::parse_result result = toml::parse(text);
  if (result) {
    node->owned = std::move(result).table();
  } else {
    const toml::parse_error& error = result.error();
    faults.Add(static_cast<int>(error.source().begin.line),
               fmt::format("{}; nothing behind it was read", error.description()));
  }
  return TomlTable(std::move(node), "the file", faults);
}

int TomlTable::line() const { return node_->line; }

int TomlTable::LineOf(std::string_view key) const {
  const toml::node* value = node_->table->get(key);
  return value == nullptr ? line() : LineOfNode(*value);
}

bool TomlTable::Has(std::string_view key) const { return node_->table->contains(key); }

std::string TomlTable::Describe(const std::string& key) const {
  return fmt::format("{} {} = {}", name_, key, ShortText(*node_->table->get(key)));
}

void TomlTable::Fault(std::string_view key, const std::string& what) {
  faults_->Add(LineOf(key), what);
}

void TomlTable::Require(const std::string& key, const std::string& example) {
  known_.insert(key);
  if (!Has(key)) faults_->Add(line(), fmt::format("{} has no {}; add {}", name_, key, example));
}

std::optional<std::string> TomlTable::Text(const std::string& key) {
  known_.insert(key);
  const toml::node* value = node_->table->get(key);
  if (value == nullptr) return std::nullopt;
  if (const auto text = value->value_exact<std::string>(); text.has_value() && !text->empty()) {
    return *text;
  }
  Fault(key, fmt::format("{}: must be a text in quotes, not empty", Describe(key)));
  return std::nullopt;
}

std::optional<int64_t> TomlTable::Int(const std::string& key, int64_t min, int64_t max) {
  known_.insert(key);
  const toml::node* value = node_->table->get(key);
  if (value == nullptr) return std::nullopt;
  const auto number = value->value_exact<int64_t>();
  if (number.has_value() && *number >= min && *number <= max) return *number;
  Fault(key, fmt::format("{}: must be a whole number from {} to {}", Describe(key), min, max));
  return std::nullopt;
}

std::optional<bool> TomlTable::Bool(const std::string& key) {
  known_.insert(key);
  const toml::node* value = node_->table->get(key);
  if (value == nullptr) return std::nullopt;
  if (const auto flag = value->value_exact<bool>()) return *flag;
  Fault(key, fmt::format("{}: must be true or false", Describe(key)));
  return std::nullopt;
}

std::optional<double> TomlTable::Amount(const std::string& key, TomlUnit unit) {
  known_.insert(key);
  const toml::node* value = node_->table->get(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    Fault(key, fmt::format("{}: has no unit; write {}", Describe(key), ExampleOf(unit)));
    return std::nullopt;
  }
  const absl::StatusOr<double> amount = ParseAmount(value->value_or(std::string()), unit);
  if (amount.ok()) return *amount;
  Fault(key, fmt::format("{}: {}", Describe(key), Message(amount.status())));
  return std::nullopt;
}

std::vector<std::string> TomlTable::Texts(const std::string& key) {
  known_.insert(key);
  const toml::node* value = node_->table->get(key);
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  const toml::array* list = value->as_array();
  bool good = list != nullptr;
  for (size_t i = 0; good && i < list->size(); ++i) {
    const auto text = list->get(i)->value_exact<std::string>();
    good = text.has_value() && !text->empty();
    if (good) texts.push_back(*text);
  }
  if (good) return texts;
  Fault(key, fmt::format("{}: must be a list of texts, such as [\"a\", \"b\"]", Describe(key)));
  return {};
}

TomlTable TomlTable::Table(const std::string& key) {
  known_.insert(key);
  auto node = std::make_unique<Node>();
  if (const toml::node* value = node_->table->get(key)) {
    node->table = value->as_table();
    node->line = LineOfNode(*value);
    if (node->table == nullptr) {
      Fault(key, fmt::format("{}: must be a table, begun by [{}]", Describe(key), key));
    }
  }
  return TomlTable(std::move(node), fmt::format("[{}]", key), *faults_);
}

std::vector<TomlTable> TomlTable::Tables(const std::string& key) {
  known_.insert(key);
  std::vector<TomlTable> tables;
  const toml::node* value = node_->table->get(key);
  if (value == nullptr) return tables;
  const toml::array* list = value->as_array();
  if (list == nullptr || !list->is_homogeneous<toml::table>()) {
    Fault(key, fmt::format("{}: must be tables, each begun by [[{}]]", key, key));
    return tables;
  }
  for (const toml::node& element : *list) {
    auto node = std::make_unique<Node>();
    node->table = element.as_table();
    node->line = LineOfNode(element);
    tables.push_back(TomlTable(std::move(node), fmt::format("[[{}]]", key), *faults_));
  }
  return tables;
}

void TomlTable::Finish() {
  for (const auto& [key, value] : *node_->table) {
    if (known_.contains(key.str())) continue;
    faults_->Add(
        static_cast<int>(key.source().begin.line),
        fmt::format("{} has no key {}; it knows {}", name_, key.str(), fmt::join(known_, ", ")));
  }
}

}  // namespace switchyard::cli
