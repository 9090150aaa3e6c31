// A table of a TOML file from outside: each value checked, every fault remembered with its line and
// what to do about it. The only place that knows the TOML library.
#ifndef SWITCHYARD_CLI_TOML_TABLE_H_
#define SWITCHYARD_CLI_TOML_TABLE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::cli {

// The faults of one file.
class TomlFaults {
 public:
  explicit TomlFaults(std::string file) : file_(std::move(file)) {}
  // `line` 0: of the file as a whole.
  void Add(int line, const std::string& what);
  // INVALID_ARGUMENT with all of them, by line.
  absl::Status ToStatus() const;

 private:
  struct Fault {
    int line;
    std::string text;
  };
  const std::string file_;
  std::vector<Fault> faults_;
};

enum class TomlUnit { kBytes, kBytesPerSecond, kFlops };

// The amount that "80 GiB", "400 Gb/s" or "989 TFLOP/s" names.
absl::StatusOr<double> ParseAmount(std::string_view text, TomlUnit unit);

class TomlTable {
 public:
  // A whole file. A syntax fault goes to `faults`, with an empty table.
  static TomlTable Parse(std::string_view text, TomlFaults& faults);
  ~TomlTable();
  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) = delete;

  // "[device]", for messages; "the file" for the whole.
  const std::string& name() const { return name_; }
  int line() const;
  // Of a key's value, or the table's own.
  int LineOf(std::string_view key) const;

  // Empty when the key is absent or faulty. Keys that nobody has asked for are faults, see Finish.
  std::optional<std::string> Text(const std::string& key);
  std::optional<int64_t> Int(const std::string& key, int64_t min, int64_t max);
  std::optional<bool> Bool(const std::string& key);
  std::optional<double> Amount(const std::string& key, TomlUnit unit);
  std::vector<std::string> Texts(const std::string& key);
  // The table [key], or one without keys; those of [[key]].
  TomlTable Table(const std::string& key);
  std::vector<TomlTable> Tables(const std::string& key);
  bool Has(std::string_view key) const;

  // A fault, with the line of the key.
  void Fault(std::string_view key, const std::string& what);
  // A fault unless the key is there.
  void Require(const std::string& key, const std::string& example);
  // A fault for each key that was not asked for.
  void Finish();

 private:
  struct Node;
  TomlTable(std::unique_ptr<Node> node, std::string name, TomlFaults& faults);
  std::string Describe(const std::string& key) const;

  std::unique_ptr<Node> node_;
  std::string name_;
  TomlFaults* faults_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_TOML_TABLE_H_
