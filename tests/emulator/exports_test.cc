// What a library exports is tested: each name stands in one of its tests, or is imported by a
// test's program (what nvcc writes into programs has no other caller).
#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <system_error>

namespace emu {
namespace {

namespace fs = std::filesystem;

// The words of a text that may be names.
void AddWords(const std::string& text, std::set<std::string>* words) {
  std::string word;
  for (const char c : text + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') {
      word += c;
    } else if (!word.empty()) {
      words->insert(word);
      word.clear();
    }
  }
}

std::set<std::string> WordsOfSources() {
  std::set<std::string> words;
  for (const auto& entry : fs::recursive_directory_iterator(SWITCHYARD_SOURCES)) {
    const std::string extension = entry.path().extension();
    if (extension != ".cc" && extension != ".cu") continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    AddWords(text.str(), &words);
  }
  return words;
}

// The names of dynamic symbols: nm prints "ADDRESS T name@@version" or "U name@version".
std::set<std::string> Symbols(const std::string& which, const fs::path& file) {
  std::set<std::string> names;
  FILE* pipe = popen((SWITCHYARD_NM " -D " + which + " " + file.string()).c_str(), "r");
  char line[4096];
  while (pipe != nullptr && fgets(line, sizeof line, pipe) != nullptr) {
    std::istringstream words(line);
    std::string word, name;
    while (words >> word) name = word;
    names.insert(name.substr(0, name.find('@')));
  }
  EXPECT_EQ(pclose(pipe), 0) << file;
  return names;
}

TEST(Exports, EachHasATest) {
  std::set<std::string> tested = WordsOfSources();
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(SWITCHYARD_PROGRAMS, none)) {
    tested.merge(Symbols("--undefined-only", entry.path()));
  }
  const std::set<std::string> exported = Symbols("--defined-only", SWITCHYARD_LIBRARY);
  EXPECT_GT(exported.size(), 50u);
  for (const std::string& name : exported) {
    if (name.starts_with("libcudart")) continue;  // the version itself
    // NCCL's second name of each call, for profilers.
    const std::string call = name.starts_with("pnccl") ? name.substr(1) : name;
    EXPECT_TRUE(tested.contains(call)) << name << " is exported and no test calls it";
  }
}

}  // namespace
}  // namespace emu
