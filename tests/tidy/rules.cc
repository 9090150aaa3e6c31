#include "tests/tidy/rules.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <set>

#include "tests/tidy/include_rules.h"

namespace switchyard::tidy {
namespace {

// Spelt in halves, so that this file passes its own rule.
constexpr std::string_view kUnfinished[] = {"TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"};

// Adapters of libraries that report errors by exceptions; nothing else may even see one.
constexpr std::string_view kAdapters[] = {
    "cli/main.cc", "coordinator/main.cc", "worker/main.cc", "worker/parallel/gloo_mesh.cc"};

struct NamespaceRow {
  std::string_view folder;  // and all below it
  std::string_view name;
};
// The first row that fits counts. A folder may nest namespaces in its own.
constexpr NamespaceRow kNamespaces[] = {
    {"base", "switchyard"},
    {"kernels", "switchyard::kernels"},
    {"coordinator/text", "switchyard::text"},
    {"coordinator/core", "switchyard::core"},
    {"coordinator/gateway", "switchyard::gateway"},
    {"coordinator/fleet", "switchyard::fleet"},
    {"coordinator", "switchyard"},
    {"worker", "switchyard::worker"},
    {"cli", "switchyard::cli"},
    {"emulator", "emu"},
};

bool IsWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool HasWord(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !IsWordCharacter(line[at - 1]);
    if (begins && (end == line.size() || !IsWordCharacter(line[end]))) return true;
  }
  return false;
}

// Characters, not bytes, of UTF-8.
size_t Columns(std::string_view line) {
  return std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

class Report {
 public:
  explicit Report(const SourceFile& file) : file_(file) {}

  // `line` counts from 0.
  void Add(size_t line, std::string message) {
    findings_.push_back({file_.path, static_cast<int>(line) + 1, std::move(message)});
  }
  std::vector<Finding> Take() { return std::move(findings_); }

 private:
  const SourceFile& file_;
  std::vector<Finding> findings_;
};

void CheckLine(const SourceFile& file, size_t i, Report& report) {
  const std::string& line = file.lines[i];
  if (line.find('\t') != std::string::npos) report.Add(i, "a tab");
  if (line.find('\r') != std::string::npos) report.Add(i, "a carriage return");
  if (!line.empty() && line.back() == ' ') report.Add(i, "blanks at the end of the line");
  if (!file.EndsWith(".md") && Columns(line) > kMaxColumns) {
    report.Add(i, "the line has " + std::to_string(Columns(line)) + " columns; " + std::to_string(kMaxColumns) + " are allowed");
  }
  for (const std::string_view mark : kUnfinished) {
    if (HasWord(line, mark)) report.Add(i, "a mark of unfinished work: " + std::string(mark));
  }
}

std::string GuardOf(const SourceFile& file) {
  std::string guard = "SWITCHYARD_" + file.path + "_";
  for (char& c : guard) c = IsWordCharacter(c) ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : '_';
  return guard;
}

void CheckHeader(const SourceFile& file, Report& report) {
  if (!file.lines[0].starts_with("// ")) report.Add(0, "a header begins with a comment that says what the file is");
  const auto first = std::find_if(file.code.begin(), file.code.end(),
                                  [](const std::string& line) { return line.find_first_not_of(' ') != std::string::npos; });
  const size_t at = first - file.code.begin();
  const std::string guard = GuardOf(file);
  if (at + 1 >= file.lines.size() || file.lines[at] != "#ifndef " + guard || file.lines[at + 1] != "#define " + guard) {
    report.Add(std::min(at, file.lines.size() - 1), "the header guard must be " + guard);
  } else if (file.lines.back() != "#endif  // " + guard) {
    report.Add(file.lines.size() - 1, "the last line must be: #endif  // " + guard);
  }
}

// One of this tree's own; files may declare names of others.
bool OpensNamespace(std::string_view line) {
  return line.starts_with("namespace switchyard") || line.starts_with("namespace emu");
}

void CheckNamespace(const SourceFile& file, Report& report) {
  const auto row = std::find_if(std::begin(kNamespaces), std::end(kNamespaces),
                                [&](const NamespaceRow& r) { return file.IsUnder(r.folder); });
  if (row == std::end(kNamespaces)) return;
  const std::string opened = "namespace " + std::string(row->name);
  bool has_ours = false;
  for (size_t i = 0; i < file.code.size(); ++i) {
    const std::string_view line = file.code[i];
    if (!OpensNamespace(line)) continue;
    has_ours = true;
    if (!line.starts_with(opened) || (line[opened.size()] != ' ' && line[opened.size()] != ':')) {
      report.Add(i, "this folder's namespace is " + std::string(row->name));
    }
  }
  const bool only_macros = file.IsHeader() && file.text.find("#define SY_") != std::string::npos;
  // What another library's binary interface prescribes.
  const bool only_c = file.IsUnder("emulator") && file.text.find("extern \"C\"") != std::string::npos;
  if (!has_ours && file.name() != "main.cc" && !only_macros && !only_c) {
    report.Add(0, "nothing is in namespace " + std::string(row->name));
  }
}

// What libraries leave to the programs, and exceptions.
void CheckCalls(const SourceFile& file, Report& report) {
  if (file.IsUnder("tests")) return;
  const bool may_print = file.IsUnder("cli") || file.IsUnder("bench");
  // A fault of an emulated program travels as emu::Fault from its instruction to Launch.
  const bool may_throw = file.IsUnder("emulator/ptx");
  const bool is_adapter = std::find(std::begin(kAdapters), std::end(kAdapters), file.path) != std::end(kAdapters);
  for (size_t i = 0; i < file.code.size(); ++i) {
    const std::string_view line = file.code[i];
    if (!may_print && line.find("std::cout") != std::string_view::npos) {
      report.Add(i, "std::cout belongs to commands; libraries log or return text");
    }
    if (may_throw) continue;
    if (HasWord(line, "throw")) report.Add(i, "no exceptions: return an absl::Status");
    if (!is_adapter && HasWord(line, "catch")) report.Add(i, "only an adapter of a library may see exceptions");
  }
}

// Where a word of a CMake file points, from the top folder. Behind a variable of the file's own only the name is known: "*/NAME".
std::string ResolveSource(const SourceFile& list, std::string_view word) {
  constexpr std::string_view kTop = "${CMAKE_SOURCE_DIR}/";
  if (word.starts_with(kTop)) return std::string(word.substr(kTop.size()));
  if (word.starts_with("${")) {  // "${TEST}.cc" in a loop names no file that could be told here
    const size_t slash = word.rfind('/');
    return slash == std::string_view::npos ? std::string() : "*" + std::string(word.substr(slash));
  }
  return (std::filesystem::path(list.folder()) / word).lexically_normal().string();
}

void AddListedSources(const SourceFile& list, std::set<std::string>* listed) {
  constexpr std::string_view kSeparators = " \n()\"";
  const std::string_view text = list.text;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (word.ends_with(".cc")) listed->insert(ResolveSource(list, word));
    begin = end + 1;
  }
}

void Append(std::vector<Finding> from, std::vector<Finding>* to) {
  to->insert(to->end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

std::vector<Finding> CheckText(const SourceFile& file) {
  Report report(file);
  if (file.lines.empty()) return {};
  for (size_t i = 0; i < file.lines.size(); ++i) CheckLine(file, i, report);
  if (file.text.back() != '\n') report.Add(file.lines.size() - 1, "the file does not end with a newline");
  if (file.lines.back().empty()) report.Add(file.lines.size() - 1, "an empty line at the end of the file");
  return report.Take();
}

std::vector<Finding> CheckCpp(const SourceFile& file) {
  if (!file.IsCpp()) return {};
  Report report(file);
  if (file.lines.empty()) {
    report.Add(0, "the file is empty");
    return report.Take();
  }
  const size_t max_lines = file.IsHeader() ? kMaxHeaderLines : kMaxSourceLines;
  if (file.lines.size() > max_lines) {
    report.Add(max_lines, "the file has " + std::to_string(file.lines.size()) + " lines; " + std::to_string(max_lines) +
                              " are allowed");
  }
  if (file.IsHeader()) CheckHeader(file, report);
  CheckNamespace(file, report);
  CheckCalls(file, report);
  return report.Take();
}

std::vector<Finding> CheckListed(const std::vector<SourceFile>& files) {
  std::set<std::string> listed;
  for (const SourceFile& file : files) {
    if (file.name() == "CMakeLists.txt" || file.EndsWith(".cmake")) AddListedSources(file, &listed);
  }
  std::vector<Finding> findings;
  for (const SourceFile& file : files) {
    if (!file.EndsWith(".cc") || listed.contains(file.path) || listed.contains("*/" + std::string(file.name()))) continue;
    findings.push_back({file.path, 1, "no CMakeLists.txt names this file"});
  }
  return findings;
}

std::vector<Finding> CheckTree(const std::vector<SourceFile>& files) {
  std::vector<Finding> findings;
  for (const SourceFile& file : files) {
    Append(CheckText(file), &findings);
    if (!file.IsCpp()) continue;
    Append(CheckCpp(file), &findings);
    Append(CheckIncludes(file), &findings);
  }
  Append(CheckListed(files), &findings);
  return findings;
}

}  // namespace switchyard::tidy
