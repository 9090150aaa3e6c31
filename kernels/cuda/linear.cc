// The linear ops as products: what meets what, and where results go.
#include "kernels/cuda/linear.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/linear_matrix.h"

namespace switchyard::kernels::cuda {
namespace {

// One weight and the rows that meet it.
struct Product {
  const LinearMatrix* matrix = nullptr;
  const __nv_bfloat16* x = nullptr;
  int64_t x_stride = 0;
  int64_t rows = 0;
  const float* amax = nullptr;
  int64_t amax_stride = 0;
  bool ue8m0 = false;
  QuantisedRows quantised;  // instead of x; then it is the only product of its launch
  void* y = nullptr;
  int64_t y_stride = 0;
  bool y_is_f32 = false;
};

const LinearMatrix& MatrixOf(const PackedLinear* weight) {
  return static_cast<const LinearMatrix&>(*weight);
}

const __nv_bfloat16* Bf16Rows(const char* op, const TensorView& x) {
  SY_CHECK(x.dtype == DType::kBf16)
      << op << ": x: the cuda backend computes on bf16, got " << Name(x.dtype);
  return x.row<const __nv_bfloat16>(0);
}

int32_t Narrow(int64_t value) {
  SY_CHECK(value >= 0 && value <= INT32_MAX) << "a product of " << value;
  return static_cast<int32_t>(value);
}

int64_t NumAtoms(int64_t rows) { return (rows + kAtomRows - 1) / kAtomRows; }

QuantiseJob QuantiseJobOf(const Product& product, int32_t first_atom) {
  const GemmWeight& weight = product.matrix->weight();
  return {.x = product.x,
          .x_stride = product.x_stride,
          .rows = Narrow(product.rows),
          .first_atom = first_atom,
          .ue8m0 = product.ue8m0,
          .k_tiles = weight.k_tiles,
          .amax = product.amax,
          .amax_stride = product.amax_stride,
          .tiles = weight.k_tiles_of_x,
          .k = weight.k,
          .lead = static_cast<int32_t>(product.matrix->layout().lead)};
}

// Floats of a product's unfinished sums, if its parts of K run side by side.
int64_t SumsOf(const Product& product, const GemmTile& tile) {
  const GemmWeight& weight = product.matrix->weight();
  return tile.split_parts && weight.parts > 1
             ? product.rows * weight.parts * weight.row_tiles * kTileRows
             : 0;
}

// Of products of one form.
GemmTile TileFor(const CudaContext& cuda, std::span<const Product> products) {
  GemmWork work{.jobs = std::ssize(products)};
  int64_t k_bytes = 0;
  for (const Product& product : products) {
    const GemmWeight& weight = product.matrix->weight();
    work.rows += product.rows;
    work.row_tiles += weight.row_tiles;
    work.parts = std::max<int64_t>(work.parts, weight.parts);
    k_bytes += product.matrix->layout().row_tile_bytes() / kTileRows;
  }
  work.rows = (work.rows + work.jobs - 1) / work.jobs;
  work.row_tiles = (work.row_tiles + work.jobs - 1) / work.jobs;
  work.k_bytes = k_bytes / work.jobs;
  work.slot_bytes = SlotBytes(products.front().matrix->layout().form);
  return ChooseGemmTile(work, cuda.device.num_sms());
}

// Activations of all jobs, in the form of the product.
GemmActivations Convert(CudaContext& cuda, GemmForm form, std::span<const QuantiseJob> jobs) {
  int64_t num_atoms = 0, most_k_tiles = 0;
  for (const QuantiseJob& job : jobs) {
    num_atoms += NumAtoms(job.rows);
    most_k_tiles = std::max<int64_t>(most_k_tiles, job.k_tiles);
  }
  GemmActivations x{.num_atoms = Narrow(num_atoms)};
  x.atoms = cuda.activations.Reserve<uint8_t>(num_atoms * most_k_tiles * kAtomBytes);
  if (form == GemmForm::kE4m3) {
    x.scales = cuda.row_scales.Reserve<float>(num_atoms * most_k_tiles * kAtomRows);
  }
  Quantise(cuda, form, jobs, x);
  return x;
}

// What a launch of products takes from the one before it, and makes for the one after it.
struct HandOvers {
  const GemmActivations* from = nullptr;
  const GemmActivations* to = nullptr;
};

// Counters of one job's hand-over.
int64_t NumArrivals(const GemmTile& tile, const Product& product) {
  constexpr int64_t kTiles = kScaleColumns / (kTileRows / 2);
  const int64_t groups = (product.matrix->weight().row_tiles + kTiles - 1) / kTiles;
  return (product.rows + tile.tokens - 1) / tile.tokens * groups;
}

// Products of one form, all with rows.
void RunForm(CudaContext& cuda, GemmForm form, std::span<const Product> products,
             const HandOvers& hand_overs = {}) {
  const GemmTile tile = TileFor(cuda, products);
  std::vector<QuantiseJob> quantise_jobs;
  int64_t num_atoms = 0, num_sums = 0;
  for (const Product& product : products) {
    quantise_jobs.push_back(QuantiseJobOf(product, Narrow(num_atoms)));
    num_atoms += NumAtoms(product.rows);
    num_sums += SumsOf(product, tile);
  }
  float* sums = num_sums > 0 ? cuda.sums.Reserve<float>(num_sums) : nullptr;
  std::vector<GemmJob> jobs;
  int64_t num_pieces = 0, num_arrivals = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    const Product& product = products[i];
    jobs.push_back({.y = product.y,
                    .y_stride = product.y_stride,
                    .rows = quantise_jobs[i].rows,
                    .first_atom = quantise_jobs[i].first_atom,
                    .first_piece = Narrow(num_pieces),
                    .first_arrival = Narrow(num_arrivals),
                    .weight = product.matrix->weight(),
                    .sums = SumsOf(product, tile) > 0 ? sums : nullptr,
                    .y_is_f32 = product.y_is_f32});
    sums += SumsOf(product, tile);
    num_arrivals += NumArrivals(tile, product);
    num_pieces += NumPieces(tile, jobs.back());
  }
  GemmRows rows{};
  const QuantisedRows& quantised = products.front().quantised;
  if (hand_overs.from != nullptr) {
    rows.x = *hand_overs.from;
  } else {
    rows.x = quantised.empty() ? Convert(cuda, form, quantise_jobs) : ActivationsOf(quantised);
  }
  if (hand_overs.to != nullptr) {
    rows.to = {.x = *hand_overs.to,
               .arrivals = cuda.arrivals.Reserve<int32_t>(num_arrivals),
               .ue8m0 = products.front().ue8m0};
  }
  Multiply(cuda, form, tile, jobs, rows);
  if (num_sums > 0) Combine(cuda, jobs);
}

// Weights of several forms may meet in one op: a checkpoint need not quantise all experts.
void RunProducts(CudaContext& cuda, std::span<const Product> products) {
  for (const GemmForm form : kGemmForms) {
    std::vector<Product> of_form;
    for (const Product& product : products) {
      if (product.rows > 0 && product.matrix->layout().form == form) of_form.push_back(product);
    }
    if (!of_form.empty()) RunForm(cuda, form, of_form);
  }
}

// y = x W^T, of whatever kind W is.
Product ProductOf(const char* op, const TensorView& x, const PackedLinear* weight,
                  const TensorView& y, bool ue8m0) {
  return {.matrix = &MatrixOf(weight),
          .x = Bf16Rows(op, x),
          .x_stride = x.row_stride,
          .rows = x.rows(),
          .ue8m0 = ue8m0,
          .y = y.data,
          .y_stride = y.row_stride,
          .y_is_f32 = y.dtype == DType::kF32};
}

// Of one of the two forms of x.
template <typename Args>
Product ProductOf(const char* op, const Args& args) {
  if (args.quantised.empty()) {
    return ProductOf(op, args.x, args.weight, args.y, args.ue8m0_scales);
  }
  return {.matrix = &MatrixOf(args.weight),
          .rows = args.quantised.rows,
          .quantised = args.quantised,
          .y = args.y.data,
          .y_stride = args.y.row_stride,
          .y_is_f32 = args.y.dtype == DType::kF32};
}

// Whether the first half's launch can quantise what the second half reads: both are of e4m3, the
// first is stored at once, and no border cuts a group.
bool HandsOver(std::span<const Product> up, std::span<const Product> down) {
  const auto stores_e4m3 = [](const Product& product) {
    return product.matrix->layout().form == GemmForm::kE4m3 && product.matrix->weight().parts == 1;
  };
  const auto takes = [](const Product& product) { return product.matrix->takes_quantised(); };
  return std::all_of(up.begin(), up.end(), stores_e4m3) &&
         std::all_of(down.begin(), down.end(), takes);
}

// Both halves of an MLP, two launches beside the one that quantises x.
void RunHandedOver(CudaContext& cuda, std::span<const Product> up, std::span<const Product> down) {
  int64_t num_atoms = 0, most_k_tiles = 0;
  for (const Product& product : down) {
    num_atoms += NumAtoms(product.rows);
    most_k_tiles = std::max<int64_t>(most_k_tiles, product.matrix->weight().k_tiles);
  }
  const int64_t places = num_atoms * most_k_tiles;
  const GemmActivations hidden{.atoms = cuda.hidden_atoms.Reserve<uint8_t>(places * kAtomBytes),
                               .scales = cuda.hidden_scales.Reserve<float>(places * kAtomRows),
                               .num_atoms = Narrow(num_atoms)};
  RunForm(cuda, GemmForm::kE4m3, up, {.to = &hidden});
  RunForm(cuda, GemmForm::kE4m3, down, {.from = &hidden});
}

}  // namespace

int64_t QuantisedBytes(int64_t rows, int64_t columns) {
  constexpr int64_t kScaleBytes = kAtomRows * int64_t{sizeof(float)};
  const int64_t groups = (columns + kScaleColumns - 1) / kScaleColumns;
  return groups * NumAtoms(rows) * (kAtomBytes + kScaleBytes);
}

GemmActivations ActivationsOf(const QuantisedRows& rows) {
  const int64_t groups = (rows.columns + kScaleColumns - 1) / kScaleColumns;
  GemmActivations to{.atoms = static_cast<uint8_t*>(rows.data),
                     .num_atoms = Narrow(NumAtoms(rows.rows))};
  to.scales = reinterpret_cast<float*>(to.atoms + groups * to.num_atoms * kAtomBytes);
  return to;
}

void Linear(CudaContext& cuda, const LinearArgs& args) {
  SY_CHECK(MatrixOf(args.weight).weight().gate_up == 0) << "Linear: weight: packed by PackGateUp";
  Product product = ProductOf("Linear", args);
  if (!args.x_amax.empty()) {
    const KTile& last = MatrixOf(args.weight).layout().tiles.back();
    SY_CHECK_GT(args.x_amax.dims[1], last.scale_group) << "Linear: x_amax: groups";
    product.amax = args.x_amax.row<const float>(0);
    product.amax_stride = args.x_amax.row_stride;
  }
  RunProducts(cuda, {&product, 1});
}

void GateUp(CudaContext& cuda, const GateUpArgs& args) {
  SY_CHECK(MatrixOf(args.weight).weight().gate_up != 0)
      << "GateUp: weight: not packed by PackGateUp";
  const Product product = ProductOf("GateUp", args);
  RunProducts(cuda, {&product, 1});
}

void BatchedLinear(CudaContext& cuda, const BatchedLinearArgs& args) {
  const int64_t x_step = args.x_batch_stride == 0 ? args.weights[0]->k() : args.x_batch_stride;
  const int64_t y_step = args.weights[0]->n() * SizeOf(args.y.dtype);
  std::vector<Product> products;
  for (const PackedLinear* weight : args.weights) {
    const auto batch = std::ssize(products);
    products.push_back(ProductOf("BatchedLinear", args.x, weight, args.y, false));
    products.back().x += batch * x_step;
    products.back().y = static_cast<std::byte*>(args.y.data) + batch * y_step;
  }
  RunProducts(cuda, products);
}

void GroupedMlp(CudaContext& cuda, const GroupedMlpArgs& args) {
  const int64_t rows = args.x.rows();
  if (rows == 0) return;
  int64_t width = 0;
  for (const MlpWeights* mlp : args.mlps) width = std::max(width, mlp->gate_up->n());
  const TensorView hidden(cuda.hidden.Reserve<__nv_bfloat16>(rows * width), DType::kBf16,
                          {rows, width});
  std::vector<Product> up, down;
  for (size_t i = 0; i < args.mlps.size(); ++i) {
    const int64_t begin = args.offsets[i], count = args.offsets[i + 1] - begin;
    if (count == 0) continue;
    const TensorView part = hidden.Rows(begin, count);
    up.push_back(ProductOf("GroupedMlp", args.x.Rows(begin, count), args.mlps[i]->gate_up.get(),
                           part, args.ue8m0_scales));
    down.push_back(ProductOf("GroupedMlp", part, args.mlps[i]->down.get(),
                             args.y.Rows(begin, count), args.ue8m0_scales));
  }
  if (HandsOver(up, down)) return RunHandedOver(cuda, up, down);
  RunProducts(cuda, up);
  RunProducts(cuda, down);
}

}  // namespace switchyard::kernels::cuda
