// kernel_issue_slots FILE: the table "Issue slots of the products" of docs/gpu-evidence.md, of a
// program or library that nvcc built.
#include "base/file.h"
#include "base/units.h"
#include "tests/kernels/cuda/issue_slots.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  if (argc != 2) {
    fmt::print(stderr, "Usage: kernel_issue_slots FILE\n");
    return 2;
  }
  const auto file = ReadFile(argv[1], kGiB);
  const auto kernels = file.ok() ? ReadLoopSlots(*file) : file.status();
  if (!kernels.ok()) {
    fmt::print(stderr, "kernel_issue_slots: {}: {}\n", argv[1], Message(kernels.status()));
    return 3;
  }
  fmt::print("| kernel | product | products | other slots |\n|---|---|---|---|\n");
  for (const auto& [name, slots] : *kernels) {
    fmt::print("| `{}` | {} | {:.1f} | {:.0f} |\n", name, slots.product, slots.products,
               slots.others);
  }
}
