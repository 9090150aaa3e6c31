// Every family of the table stands in the PTX of a test in this folder: an opcode that is added
// needs a case.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "emulator/ptx/instruction_table.h"

namespace emu {
namespace {

namespace fs = std::filesystem;

// The tests' sources without their comments.
std::string TextOfTests() {
  std::string text;
  for (const auto& entry : fs::directory_iterator(SWITCHYARD_TEST_SOURCES)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with("_test.cc") || name == "opcode_coverage_test.cc") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      const size_t comment = line.find("//");
      text += line.substr(0, comment) + "\n";
    }
  }
  return text;
}

bool EndsAWord(char c) { return c != '_' && std::isalnum(static_cast<unsigned char>(c)) == 0; }

// The family at the start of an opcode: "cp.async" also stands in "cp.async.ca", but not in
// "x.cp.async" nor in "cp.asynchronous".
bool Stands(const std::string& text, const std::string& family) {
  for (size_t at = text.find(family); at != std::string::npos; at = text.find(family, at + 1)) {
    const char before = at == 0 ? ' ' : text[at - 1];
    const char behind = at + family.size() < text.size() ? text[at + family.size()] : ' ';
    if (EndsAWord(before) && before != '.' && before != '%' && EndsAWord(behind) && behind != '(' &&
        behind != ':' && behind != ',') {
      return true;
    }
  }
  return false;
}

TEST(Opcodes, EachFamilyHasACase) {
  const std::string text = TextOfTests();
  const auto families = InstructionTable::Get().Families();
  EXPECT_GT(families.size(), 100u);
  EXPECT_TRUE(Stands(text, "call"));
  EXPECT_FALSE(Stands(text, "frob"));
  for (const std::string_view family : families) {
    EXPECT_TRUE(Stands(text, std::string(family))) << "no test has a case of '" << family << "'";
  }
}

}  // namespace
}  // namespace emu
