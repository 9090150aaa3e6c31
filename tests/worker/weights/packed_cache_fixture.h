// A small checkpoint of all kinds of weights, loaded with a packed cache as often as a test likes.
#ifndef SWITCHYARD_TESTS_WORKER_WEIGHTS_PACKED_CACHE_FIXTURE_H_
#define SWITCHYARD_TESTS_WORKER_WEIGHTS_PACKED_CACHE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

namespace fs = std::filesystem;

inline constexpr int64_t kRows = 600, kCols = 260;
inline constexpr int64_t kExpertRows = 48, kExpertCols = 64;

inline TestTensor Random(std::string name, FileDtype dtype, TensorShape shape, int seed) {
  TestTensor tensor = CountingTensor(std::move(name), dtype, std::move(shape));
  std::mt19937 random(static_cast<uint32_t>(seed));
  // No NaN in any of the types.
  for (char& byte : tensor.bytes) byte = static_cast<char>(random() % 0x70);
  return tensor;
}

inline std::vector<TestTensor> Tensors(int seed = 1) {
  return {Random("w", FileDtype::kBf16, {kRows, kCols}, seed),
          Random("up", FileDtype::kBf16, {kRows, kCols}, 2),
          Random("b", FileDtype::kBf16, {kRows}, 3),
          Random("f", FileDtype::kF8E4m3, {kRows, kCols}, 4),
          TensorOf<float>("f_scale_inv", FileDtype::kF32, {5, 3}, std::vector<float>(15, 0.5f)),
          Random("norm", FileDtype::kBf16, {kCols}, 6),
          Random("experts", FileDtype::kBf16, {2, kExpertRows, kExpertCols}, 7),
          Random("q.qweight", FileDtype::kI32, {64, 4}, 8),
          Random("q.qzeros", FileDtype::kI32, {2, 4}, 9),
          Random("q.scales", FileDtype::kF16, {2, 32}, 10)};
}

inline constexpr Int4Format kInt4{.layout = Int4Layout::kAwq, .group_columns = 32};

// What a load gave.
struct Loaded {
  std::vector<std::string> bytes;  // of each weight
  int64_t packed_bytes = 0;
  int64_t bytes_read = 0;
  bool restored = false;
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
  std::vector<LoadStage> stages;
};

class PackedCacheTest : public ::testing::Test {
 protected:
  PackedCacheTest() {
    fs::create_directory(model_);
    WriteTensors(model_ + "/model.safetensors", Tensors());
  }

  Loaded Load(WeightLoader::Options options = {}) { return LoadWith(*ops_, std::move(options)); }
  Loaded LoadWith(kernels::Ops& ops, WeightLoader::Options options) {
    const auto checkpoint = Checkpoint::Open(model_);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    Loaded loaded;
    options.packed_cache = {.folder = cache_, .rank = rank_};
    options.progress = [&](LoadStage stage, int64_t, int64_t) {
      if (loaded.stages.empty() || loaded.stages.back() != stage) loaded.stages.push_back(stage);
    };
    options.note = [&](const LoadNote& note) {
      (note.warning ? loaded.warnings : loaded.notes).push_back(note.text);
    };
    if (!options.int4.has_value()) options.int4 = kInt4;
    WeightLoader loader(*checkpoint, ops, options);
    std::unique_ptr<kernels::PackedLinear> plain, scaled, gate_up, whole, derived, biased, expert,
        int4;
    DeviceTensor norm, table;
    MatrixSlice w{.tensor = "w", .rows = kRows, .cols = kCols};
    loader.GateUp(w, {.tensor = "up", .rows = kRows, .cols = kCols}, &gate_up);
    loader.Table(w, &table);
    const MatrixSlice f{.tensor = "f", .rows = kRows, .cols = kCols, .row_begin = 100};
    loader.Linear(f, &scaled);
    loader.Derive(
        f,
        {{.name = "derived",
          .rows = 2,
          .cols = kCols,
          .make = [](const float* from, float* weight) { std::copy_n(from, 2 * kCols, weight); },
          .take = [&](auto packed) { derived = std::move(packed); }}},
        &whole);
    w.bias = "b";
    loader.Linear(w, &plain);
    loader.Vector("norm", kCols, &norm, 1);
    w.fine = true;
    MatrixSlice up = w;
    up.tensor = "up";
    loader.GateUp(w, up, &biased);
    LoadExpert(loader, &expert);
    const bool has_int4 = options.form != kernels::WeightForm::kInt8;  // else refused by the plan
    if (has_int4) loader.Linear({.tensor = "q.weight", .rows = 32, .cols = 64}, &int4);
    const absl::Status status = loader.Run();
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return loaded;
    for (const kernels::Buffer* memory : std::initializer_list<const kernels::Buffer*>{
             &plain->memory(), &scaled->memory(), &gate_up->memory(), &whole->memory(),
             &derived->memory(), &norm.memory, &table.memory, &biased->memory(), &expert->memory(),
             has_int4 ? &int4->memory() : &norm.memory}) {
      loaded.bytes.emplace_back(static_cast<const char*>(memory->data()),
                                static_cast<size_t>(memory->num_bytes()));
    }
    EXPECT_EQ(table.view.dtype, kernels::DType::kBf16);
    EXPECT_EQ(table.view.data, table.memory.data());
    // The weight works: its bias is where it should be.
    loaded.bytes.push_back(Product(ops, *plain));
    loaded.packed_bytes = loader.packed_bytes();
    loaded.bytes_read = loader.bytes_read();
    loaded.restored = loader.restored();
    return loaded;
  }

  static void LoadExpert(WeightLoader& loader, std::unique_ptr<kernels::PackedLinear>* out) {
    static constexpr FileDtype kTypes[] = {FileDtype::kBf16};
    const StoredTensor tensor{"experts", {2, kExpertRows, kExpertCols}, kTypes};
    const kernels::PackedForm form{
        .source = {.name = "expert",
                   .weight = kernels::TensorView(nullptr, kernels::DType::kF32,
                                                 {kExpertRows, kExpertCols}),
                   .compute = loader.compute()}};
    const auto pack = [&loader, form](std::span<const StoredEntry> entries)
        -> absl::StatusOr<std::unique_ptr<kernels::PackedLinear>> {
      std::vector<kernels::Bf16> values(kExpertRows * kExpertCols);
      memcpy(values.data(), entries[0].data, values.size() * sizeof(kernels::Bf16));
      kernels::LinearSource source = form.source;
      source.weight =
          kernels::TensorView(values.data(), kernels::DType::kBf16, {kExpertRows, kExpertCols});
      return loader.ops().Pack(source);
    };
    loader.Stored({&tensor, 1}, 1, {.form = form, .pack = pack, .out = out});
  }

  static std::string Product(kernels::Ops& ops, const kernels::PackedLinear& weight) {
    const std::vector<float> x(kCols, 0.25f);
    std::string y(kRows * sizeof(float), '\0');
    ops.Linear({.x = kernels::TensorView(x.data(), kernels::DType::kF32, {1, kCols}),
                .weight = &weight,
                .y = kernels::TensorView(y.data(), kernels::DType::kF32, {1, kRows})});
    return y;
  }

  std::vector<std::string> FilesOf(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path());
    std::ranges::sort(names);
    return names;
  }
  std::string Only() {
    const std::vector<std::string> files = FilesOf(cache_);
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? "" : files[0];
  }
  void Flip(const std::string& path, int64_t at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 0x20));
  }

  // The file is not used, a note says why, and the next start has a good one again.
  void ExpectReplaced(const char* why) {
    const Loaded first = Load();
    EXPECT_FALSE(first.restored);
    std::vector<std::string> said = first.notes;
    said.insert(said.end(), first.warnings.begin(), first.warnings.end());
    EXPECT_THAT(said, ::testing::Contains(::testing::HasSubstr(why)));
    EXPECT_TRUE(Load().restored);
    EXPECT_EQ(FilesOf(cache_).size(), 1u);
  }

  TempFolder folder_;
  const std::string model_ = folder_ / "model";
  std::string cache_ = folder_ / "cache/of/ranks";
  std::string rank_ = "dp1-tp1-rank0";
  std::unique_ptr<kernels::Ops> ops_ = *kernels::MakeCpuBackend({.num_threads = 2});
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_TESTS_WORKER_WEIGHTS_PACKED_CACHE_FIXTURE_H_
