// tidy FOLDER: checks the tree below FOLDER and prints "file:line: error: ..." for each broken rule.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/tidy/rules.h"

namespace {

namespace fs = std::filesystem;
using switchyard::tidy::Finding;
using switchyard::tidy::SourceFile;

constexpr std::string_view kTopFolders[] = {"base", "bench", "cli", "cmake", "coordinator", "deploy", "docs", "emulator",
                                            "kernels", "proto", "scripts", "tests", "worker"};
// Data: bytes that are as they must be.
constexpr std::string_view kDataFolders[] = {"corpus", "testdata"};

bool IsText(const fs::path& path) {
  const std::string extension = path.extension().string();
  const std::string name = path.filename().string();
  for (const char* known : {".h", ".cc", ".cuh", ".cu", ".proto", ".cmake", ".md", ".sh"}) {
    if (extension == known) return true;
  }
  return name == "CMakeLists.txt";
}

void AddFile(const fs::path& root, const fs::path& path, std::vector<SourceFile>* files) {
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), {});
  files->push_back(switchyard::tidy::MakeSourceFile(path.lexically_relative(root).string(), std::move(text)));
}

std::vector<SourceFile> ReadTree(const fs::path& root) {
  std::vector<SourceFile> files;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_regular_file() && IsText(entry.path())) AddFile(root, entry.path(), &files);
  }
  for (const std::string_view top : kTopFolders) {
    if (!fs::is_directory(root / top)) continue;
    for (auto entry = fs::recursive_directory_iterator(root / top); entry != fs::recursive_directory_iterator(); ++entry) {
      const std::string name = entry->path().filename().string();
      if (entry->is_directory()) {
        const bool is_data = std::find(std::begin(kDataFolders), std::end(kDataFolders), name) != std::end(kDataFolders);
        if (is_data) entry.disable_recursion_pending();
      } else if (IsText(entry->path())) {
        AddFile(root, entry->path(), &files);
      }
    }
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !fs::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: tidy FOLDER\n");
    return 2;
  }
  const std::vector<SourceFile> files = ReadTree(argv[1]);
  const std::vector<Finding> findings = switchyard::tidy::CheckTree(files);
  for (const Finding& finding : findings) {
    std::printf("%s:%d: error: %s\n", finding.path.c_str(), finding.line, finding.message.c_str());
  }
  std::printf("tidy: %zu files, %zu broken rules\n", files.size(), findings.size());
  return findings.empty() && !files.empty() ? 0 : 1;
}
