#include "tests/tidy/include_rules.h"

#include <algorithm>
#include <optional>

namespace switchyard::tidy {
namespace {

// `from` is a folder; "x/**" also all below it. Each entry of `may` is a folder, a folder and all below ("x/**"), or one file.
// A folder may always include itself. The first row that fits counts.
struct Row {
  std::string_view from;
  std::vector<std::string_view> may;
};

const std::vector<Row>& Table() {
  static const std::vector<Row> table = {
      {"base", {}},
      {"proto", {"base"}},
      {"kernels", {"base/check.h", "base/status.h", "base/units.h", "kernels/args"}},
      {"kernels/args", {"base/units.h", "kernels/device.h", "kernels/tensor_view.h", "kernels/dtype.h"}},
      {"kernels/cases", {"kernels", "kernels/args"}},
      {"kernels/cpu", {"base/check.h", "base/status.h", "base/units.h", "kernels", "kernels/args"}},
      {"kernels/cuda", {"base/check.h", "base/status.h", "base/units.h", "kernels", "kernels/args", "kernels/cuda/**"}},
      {"kernels/cuda/choose", {"base/check.h", "base/units.h", "kernels", "kernels/args"}},
      {"kernels/cuda/ptx", {}},
      {"coordinator/core", {"base", "proto"}},
      {"coordinator/core/kv", {"base", "proto"}},
      {"coordinator/core/plan",
       {"base", "proto", "coordinator/core/plan/families", "kernels/op_cost.h"}},
      {"coordinator/core/plan/families", {"base", "proto", "coordinator/core/plan"}},
      {"coordinator/core/membership", {"base", "proto"}},
      {"coordinator/core/sched", {"base", "proto", "coordinator/core/events.h", "coordinator/core/kv"}},
      {"coordinator/text", {"base"}},
      {"coordinator/text/grammar", {"base", "proto", "coordinator/text"}},
      {"coordinator/gateway",
       {"base", "proto", "coordinator/text", "coordinator/text/grammar", "coordinator/core/events.h"}},
      {"coordinator/fleet", {"base", "proto", "coordinator/core/events.h"}},
      {"coordinator", {"base", "proto", "coordinator/**"}},
      {"worker/weights", {"base", "proto", "kernels", "kernels/args", "worker/parallel/parallel_context.h"}},
      {"worker/parallel", {"base", "proto", "kernels", "kernels/args"}},
      {"worker/kv", {"base", "proto", "kernels", "kernels/args"}},
      {"worker/sample", {"base", "proto", "kernels", "kernels/args"}},
      {"worker/layers",
       {"base", "proto", "kernels", "kernels/args", "worker/weights", "worker/parallel", "worker/kv", "worker/sample"}},
      // A model hands weights and cache through to its layers.
      {"worker/models",
       {"base", "proto", "worker/layers", "worker/weights/weight_loader.h", "worker/kv/kv_store.h"}},
      {"worker/exec",
       {"base", "proto", "kernels", "worker/models", "worker/layers", "worker/sample", "worker/kv", "worker/parallel",
        "worker/weights/weight_loader.h"}},
      {"worker/cuda", {"base", "kernels", "kernels/cuda", "worker/backend.h", "worker/cuda_module.h", "worker/parallel"}},
      {"worker", {"base", "proto", "kernels", "worker/**"}},
      {"cli", {"base", "proto", "kernels", "coordinator/**", "worker/**"}},
      // Stands alone: includes nothing of Switchyard, and nothing of Switchyard includes it.
      {"emulator/ptx", {}},
      {"emulator/cudart", {"emulator/ptx"}},
      {"emulator/nccl", {"emulator/ptx", "emulator/cudart"}},
      {"emulator/emulate", {}},
      {"tests/emulator/**", {"emulator/**", "tests/emulator/**"}},
      {"bench/**", {"base", "proto", "kernels/**", "coordinator/**", "worker/**", "cli", "bench/**"}},
      {"tests/fuzz", {"base", "proto", "kernels/**", "coordinator/**", "worker/**", "emulator/ptx", "tests/**"}},
      {"tests/**", {"base", "proto", "kernels/**", "coordinator/**", "worker/**", "cli", "bench/**", "tests/**"}},
  };
  return table;
}

// gRPC stays at the edges: below them, messages only.
constexpr std::string_view kGrpcFolders[] = {
    "cli", "coordinator", "coordinator/fleet", "coordinator/gateway", "proto", "worker"};

// What would make coordinator/core depend on more than its inputs.
constexpr std::string_view kImpureHeaders[] = {
    "base/bounded_queue.h", "base/file.h", "atomic", "condition_variable", "ctime", "filesystem", "fstream", "iostream",
    "mutex", "random", "thread", "unistd.h"};

std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// `pattern` is a folder or, with "/**", a folder and all below.
bool FolderFits(std::string_view pattern, std::string_view folder) {
  if (!pattern.ends_with("/**")) return pattern == folder;
  pattern.remove_suffix(3);
  return folder.starts_with(pattern) && (folder.size() == pattern.size() || folder[pattern.size()] == '/');
}

const Row* FindRow(std::string_view folder) {
  const auto row = std::find_if(Table().begin(), Table().end(), [&](const Row& r) { return FolderFits(r.from, folder); });
  return row == Table().end() ? nullptr : &*row;
}

bool MayInclude(const Row& row, std::string_view folder, std::string_view target) {
  if (FolderOf(target) == folder) return true;
  return std::any_of(row.may.begin(), row.may.end(), [&](std::string_view entry) {
    return entry == target || FolderFits(entry, FolderOf(target));
  });
}

struct Include {
  std::string_view target;
  bool quoted = false;
};

std::optional<Include> ParseInclude(std::string_view line) {
  constexpr std::string_view kInclude = "#include ";
  if (!line.starts_with(kInclude)) return std::nullopt;
  line.remove_prefix(kInclude.size());
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const bool quoted = line[0] == '"';
  const size_t end = line.find(quoted ? '"' : '>', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return Include{.target = line.substr(1, end - 1), .quoted = quoted};
}

bool IsGrpc(const Include& include) {
  return include.target.ends_with(".grpc.pb.h") || include.target.starts_with("grpc") ||
         include.target == "proto/status_codes.h";
}

std::string Complaint(const SourceFile& file, const Row& row, const Include& include) {
  const std::string target(include.target);
  if (include.quoted) {
    if (include.target.find('/') == std::string_view::npos) {
      return "include \"" + target + "\" by its path from the top folder";
    }
    if (!MayInclude(row, file.folder(), include.target)) {
      return std::string(file.folder()) + " may not include \"" + target + "\"";
    }
  }
  if (file.IsUnder("tests") || file.IsUnder("bench")) return "";
  if (IsGrpc(include) && std::find(std::begin(kGrpcFolders), std::end(kGrpcFolders), file.folder()) == std::end(kGrpcFolders)) {
    return std::string(file.folder()) + " may not include <" + target + ">: gRPC stays at the edges";
  }
  if (file.IsUnder("coordinator/core") &&
      std::find(std::begin(kImpureHeaders), std::end(kImpureHeaders), include.target) != std::end(kImpureHeaders)) {
    return "coordinator/core is pure and may not include " + target;
  }
  return "";
}

}  // namespace

std::vector<Finding> CheckIncludes(const SourceFile& file) {
  const Row* row = FindRow(file.folder());
  if (row == nullptr) {
    return {{.path = file.path, .message = "the folder stands in no row of tests/tidy/include_rules.cc"}};
  }
  std::vector<Finding> findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<Include> include = ParseInclude(file.lines[i]);
    if (!include.has_value()) continue;
    std::string complaint = Complaint(file, *row, *include);
    if (!complaint.empty()) findings.push_back({file.path, static_cast<int>(i) + 1, std::move(complaint)});
  }
  return findings;
}

}  // namespace switchyard::tidy
