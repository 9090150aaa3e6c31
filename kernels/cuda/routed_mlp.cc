// MLPs over rows of which the host knows bounds only.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/linear_matrix.h"
#include "kernels/cuda/mlp_table.h"

namespace switchyard::kernels::cuda {
namespace {

const LinearMatrix& MatrixOf(const PackedLinear& weight) {
  return static_cast<const LinearMatrix&>(weight);
}

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// What depends on the weight alone.
QuantiseJob QuantiseJobOf(const LinearMatrix& matrix) {
  const GemmWeight& weight = matrix.weight();
  return {.k_tiles = weight.k_tiles,
          .tiles = weight.k_tiles_of_x,
          .k = weight.k,
          .lead = static_cast<int32_t>(matrix.layout().lead)};
}

// One array of a list behind the others, aligned to 256 bytes.
template <typename T>
T* Append(std::span<const T> values, std::vector<std::byte>* image) {
  const size_t begin = (image->size() + 255) / 256 * 256;
  image->resize(begin + values.size_bytes());
  std::memcpy(image->data() + begin, values.data(), values.size_bytes());
  return reinterpret_cast<T*>(begin);  // until the image has its place
}

template <typename T>
void Rebase(std::byte* base, T** place) {
  *place = reinterpret_cast<T*>(base + reinterpret_cast<uintptr_t>(*place));
}

void MakeList(CudaContext& cuda, std::span<const LinearMatrix* const> matrices,
              std::span<const int32_t> blocks, TableSet* set) {
  std::vector<QuantiseJob> quantise_jobs;
  std::vector<GemmJob> jobs;
  std::vector<RoutedBlock> routed;
  for (size_t i = 0; i < matrices.size(); ++i) {
    const LinearMatrix* const matrix = matrices[i];
    const GemmWeight& weight = matrix->weight();
    routed.push_back(
        {.block = blocks[i], .row_tiles = weight.row_tiles, .k_tiles = weight.k_tiles});
    quantise_jobs.push_back(QuantiseJobOf(*matrix));
    jobs.push_back({.weight = weight});
    set->row_tiles += weight.row_tiles;
    set->k_bytes += matrix->layout().row_tile_bytes() / kTileRows;
    set->most_row_tiles = std::max<int64_t>(set->most_row_tiles, weight.row_tiles);
    set->most_k_tiles = std::max<int64_t>(set->most_k_tiles, weight.k_tiles);
    set->most_parts = std::max<int64_t>(set->most_parts, weight.parts);
  }
  quantise_jobs.emplace_back();  // the end
  jobs.emplace_back();
  std::vector<std::byte> image;
  RoutedSet& list = set->list;
  list.num_jobs = static_cast<int32_t>(matrices.size());
  list.quantise_jobs = Append(std::span<const QuantiseJob>(quantise_jobs), &image);
  list.jobs = Append(std::span<const GemmJob>(jobs), &image);
  const std::vector<int32_t> firsts(jobs.size());
  list.first_atoms = Append(std::span<const int32_t>(firsts), &image);
  list.first_pieces = Append(std::span<const int32_t>(firsts), &image);
  RoutedBlock* block_list = Append(std::span<const RoutedBlock>(routed), &image);
  set->memory = cuda.device.Allocate(std::ssize(image));
  auto* const base = static_cast<std::byte*>(set->memory.data());
  Rebase(base, &list.quantise_jobs);
  Rebase(base, &list.jobs);
  Rebase(base, &list.first_atoms);
  Rebase(base, &list.first_pieces);
  Rebase(base, &block_list);
  list.blocks = block_list;
  cuda.device.CopyToDevice(base, image.data(), std::ssize(image));
}

// One half, by form.
std::vector<TableSet> MakeSets(CudaContext& cuda, std::span<const LinearMatrix* const> half) {
  std::vector<TableSet> sets;
  for (const GemmForm form : kGemmForms) {
    std::vector<const LinearMatrix*> matrices;
    std::vector<int32_t> blocks;
    for (size_t i = 0; i < half.size(); ++i) {
      if (half[i]->layout().form != form) continue;
      matrices.push_back(half[i]);
      blocks.push_back(static_cast<int32_t>(i));
    }
    if (matrices.empty()) continue;
    sets.push_back({.form = form});
    MakeList(cuda, matrices, blocks, &sets.back());
  }
  return sets;
}

// Bounds of what the rows of a set are cut into.
struct Bounds {
  // A job's last atom, or tile, may be filled with one row only.
  Bounds(const RoutedMlpArgs& args, int64_t num_jobs)
      : rows(args.max_rows), jobs(std::min(num_jobs, args.max_rows)) {}
  int64_t Parts(int64_t part_rows) const { return jobs + (rows - jobs) / part_rows; }
  int64_t rows;
  int64_t jobs;  // with rows
};

GemmTile TileFor(const CudaContext& cuda, const TableSet& set, const RoutedMlpArgs& args) {
  const int64_t jobs = set.list.num_jobs;
  const int64_t likely = std::max<int64_t>(args.likely_rows, 1);
  const int64_t likely_jobs = std::min(jobs, likely);
  return ChooseGemmTile({.rows = CeilDiv(likely, likely_jobs),
                         .jobs = likely_jobs,
                         .row_tiles = CeilDiv(set.row_tiles, jobs),
                         .k_bytes = set.k_bytes / jobs,
                         .slot_bytes = SlotBytes(set.form)},
                        cuda.device.num_sms());
}

// A set with what a call adds, and the tile of its product.
struct SetCall {
  const TableSet* set;
  GemmTile tile;
  RoutedSet list;
};

SetCall CallOf(const CudaContext& cuda, const TableSet& set, const RoutedMlpArgs& args,
               const TensorView& x, const TensorView& y) {
  SetCall call{.set = &set, .tile = TileFor(cuda, set, args), .list = set.list};
  call.list.tile_tokens = call.tile.tokens;
  call.list.tile_warpgroups = call.tile.warpgroups;
  call.list.x = x.row<const __nv_bfloat16>(0);
  call.list.x_stride = x.row_stride;
  call.list.y = y.row<__nv_bfloat16>(0);
  call.list.y_stride = y.row_stride;
  call.list.ue8m0 = args.ue8m0_scales ? 1 : 0;
  return call;
}

GemmActivations Activations(CudaScratch& atoms, CudaScratch& scales, int64_t num_atoms,
                            const TableSet& set) {
  const int64_t places = num_atoms * set.most_k_tiles;
  SY_CHECK(num_atoms <= INT32_MAX) << num_atoms << " atoms of a product";
  GemmActivations x{.num_atoms = static_cast<int32_t>(num_atoms)};
  x.atoms = atoms.Reserve<uint8_t>(places * kAtomBytes);
  if (set.form == GemmForm::kE4m3) x.scales = scales.Reserve<float>(places * kAtomRows);
  return x;
}

void RunSet(CudaContext& cuda, const SetCall& call, const RoutedMlpArgs& args,
            const GemmActivations* from, const GemmActivations* to) {
  const auto& [set, tile, list] = call;
  const Bounds bounds(args, list.num_jobs);
  GemmRows rows{};
  if (from != nullptr) {
    rows.x = *from;
  } else {
    const int64_t atoms = bounds.Parts(kAtomRows);
    rows.x = Activations(cuda.activations, cuda.row_scales, atoms, *set);
    Quantise(cuda, set->form,
             {.jobs = list.quantise_jobs,
              .firsts = list.first_atoms,
              .num_jobs = list.num_jobs + 1,
              .most = atoms},
             static_cast<int32_t>(set->most_k_tiles), rows.x);
  }
  const int64_t token_tiles = bounds.Parts(tile.tokens);
  if (to != nullptr) {
    constexpr int64_t kTilesOfGroup = kScaleColumns / (kTileRows / 2);
    rows.to = {.x = *to,
               .arrivals = cuda.arrivals.Reserve<int32_t>(
                   token_tiles * CeilDiv(set->most_row_tiles, kTilesOfGroup)),
               .ue8m0 = list.ue8m0};
  }
  Multiply(cuda, set->form, tile,
           {.jobs = list.jobs,
            .firsts = list.first_pieces,
            .num_jobs = list.num_jobs + 1,
            .most = token_tiles * CeilDiv(set->most_row_tiles, tile.warpgroups)},
           TreeLevels(set->most_parts), rows);
}

}  // namespace

CudaMlpTable::CudaMlpTable(CudaContext& cuda, std::span<const MlpWeights* const> mlps)
    : MlpTable(mlps) {
  std::vector<const LinearMatrix*> up, down;
  for (const MlpWeights* mlp : mlps) {
    up.push_back(&MatrixOf(*mlp->gate_up));
    down.push_back(&MatrixOf(*mlp->down));
    width_ = std::max(width_, mlp->gate_up->n());
    hands_over_ = hands_over_ && up.back()->layout().form == GemmForm::kE4m3 &&
                  up.back()->weight().parts == 1 && down.back()->takes_quantised();
  }
  up_ = MakeSets(cuda, up);
  down_ = MakeSets(cuda, down);
}

std::unique_ptr<MlpTable> MakeMlpTable(CudaContext& cuda, std::span<const MlpWeights* const> mlps) {
  return std::make_unique<CudaMlpTable>(cuda, mlps);
}

void RoutedMlp(CudaContext& cuda, const RoutedMlpArgs& args) {
  SY_CHECK(args.x.dtype == DType::kBf16)
      << "RoutedMlp: x: the cuda backend computes on bf16, got " << Name(args.x.dtype);
  if (args.max_rows == 0) return;
  SY_CHECK_EQ(reinterpret_cast<uintptr_t>(args.spans.data) % sizeof(int2), size_t{0})
      << "RoutedMlp: spans: not aligned to 8 bytes";
  const auto& table = static_cast<const CudaMlpTable&>(*args.table);
  const int64_t rows = args.x.rows(), width = table.width();
  const TensorView hidden(cuda.hidden.Reserve<__nv_bfloat16>(rows * width), DType::kBf16,
                          {rows, width});
  std::vector<SetCall> calls;
  for (const TableSet& set : table.up()) {
    calls.push_back(CallOf(cuda, set, args, args.x, hidden));
  }
  for (const TableSet& set : table.down()) {
    calls.push_back(CallOf(cuda, set, args, hidden, args.y));
  }
  std::vector<RoutedSet> lists;
  for (const SetCall& call : calls) lists.push_back(call.list);
  RouteJobs(cuda, lists,
            {.spans = static_cast<const int2*>(args.spans.data),
             .num_rows = rows,
             .max_rows = args.max_rows});
  if (!table.hands_over()) {
    for (const SetCall& call : calls) RunSet(cuda, call, args, nullptr, nullptr);
    return;
  }
  const Bounds bounds(args, calls.back().list.num_jobs);
  const GemmActivations between = Activations(cuda.hidden_atoms, cuda.hidden_scales,
                                              bounds.Parts(kAtomRows), *calls.back().set);
  RunSet(cuda, calls.front(), args, nullptr, &between);
  RunSet(cuda, calls.back(), args, &between, nullptr);
}

}  // namespace switchyard::kernels::cuda
