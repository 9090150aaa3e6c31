#include "kernels/cpu/product.h"

#include <algorithm>
#include <bit>

#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/panel_matrix.h"

namespace switchyard::kernels::cpu {
namespace {

// Rows of one task: its sums and its part of x stay in the second cache.
constexpr int64_t kTaskRows = 192;
// More rows than the tallest tile has: sums leave the registers at every block of K, so that the
// block of weights stays in the first cache.
constexpr int64_t kBlockedRows = 13;
// The same for whole numbers: more rows than read the panels of a group in one pass.
constexpr int64_t kBlockedIntRows = 3;
constexpr int64_t kBlockBytes = 16 << 10;  // of weights
// A region costs some microseconds: not worth it below this many bytes of weights, each counted
// once per kRowsPerPass rows.
constexpr int64_t kRegionBytes = 128 << 10;
constexpr int64_t kRowsPerPass = 6;

struct TaskShape {
  int64_t row_chunks = 0;
  int64_t chunk_rows = 0;
  int64_t num_tasks = 0;
};

TaskShape ShapeOf(const Product& product) {
  TaskShape shape;
  if (product.rows == 0) return shape;
  shape.row_chunks = (product.rows + kTaskRows - 1) / kTaskRows;
  shape.chunk_rows = (product.rows + shape.row_chunks - 1) / shape.row_chunks;
  shape.num_tasks = shape.row_chunks * product.weight->num_groups();
  return shape;
}

// Sums of finished shards that wait for their partner in the balanced tree: level i of the stack is
// a subtree larger than level i + 1.
class TreeStack {
 public:
  TreeStack(float* memory, int64_t count) : memory_(memory), count_(count) {}

  float* top() const { return memory_ + depth_ * count_; }

  // The sums at top() are those of shard `index`, all shards before it were pushed: joins the
  // subtrees that are complete now.
  void Push(int64_t index) {
    ++depth_;
    for (int64_t n = index + 1; n % 2 == 0; n /= 2) {
      float* left = memory_ + (depth_ - 2) * count_;
      const float* right = left + count_;
      for (int64_t i = 0; i < count_; ++i) left[i] += right[i];
      --depth_;
    }
  }

  static int64_t Levels(int64_t shards) { return std::bit_width(static_cast<uint64_t>(shards)); }

 private:
  float* const memory_;
  const int64_t count_;
  int64_t depth_ = 0;
};

// Some rows of a product times one group of panels.
class Task {
 public:
  Task(const Product& product, int64_t group, int64_t first_row, int64_t rows)
      : product_(product),
        matrix_(*product.weight),
        layout_(matrix_.layout()),
        group_(group),
        first_row_(first_row),
        rows_(rows),
        panels_(matrix_.PanelsOf(group)) {}

  // `sums` has room for SumsOf(product) floats.
  void Run(float* sums) const {
    TreeStack stack(sums, rows_ * panels_ * kPanelRows);
    const std::vector<Segment>& segments = layout_.segments;
    int64_t shard = 0;
    for (size_t i = 0; i < segments.size(); ++i) {
      if (layout_.ints) {
        AddIntSegment(segments[i], stack.top());
      } else {
        AddSegment(static_cast<int64_t>(i), stack.top());
      }
      if (i + 1 == segments.size() || segments[i + 1].begins_shard) stack.Push(shard++);
    }
    if (matrix_.shape().gate_up) {
      WriteGateUp(sums);
    } else {
      Write(sums);
    }
  }

  static int64_t SumsOf(const Product& product) {
    const TaskShape shape = ShapeOf(product);
    const int64_t levels = TreeStack::Levels(product.weight->layout().k_shards);
    return levels * shape.chunk_rows * kGroupPanels * kPanelRows;
  }

 private:
  void AddSegment(int64_t index, float* sums) const {
    const Segment& segment = layout_.segments[static_cast<size_t>(index)];
    const std::byte* data = matrix_.DataOf(group_) + segment.byte_begin * panels_;
    PanelBlock block{};
    block.panels = panels_;
    block.rows = rows_;
    block.x = product_.x + first_row_ * product_.x_stride + segment.word_begin;
    block.x_stride = product_.x_stride;
    block.sums = sums;
    block.first = segment.begins_shard;
    if (layout_.scaled()) {
      block.weight_scales = reinterpret_cast<const float*>(data);
      data += layout_.ScaleBytes() * panels_;
    }
    if (product_.x_scales != nullptr) {
      block.x_scale_stride = layout_.row_scales;
      block.x_scales = product_.x_scales + first_row_ * block.x_scale_stride + index;
    }
    const bool whole = layout_.scaled() || rows_ < kBlockedRows;
    const int64_t panel_bytes_per_word = WeightBytes(segment) / segment.words;
    const int64_t step =
        whole ? segment.words : kBlockBytes / (panel_bytes_per_word * kGroupPanels);
    const int64_t bytes_per_word = panel_bytes_per_word * panels_;
    const auto multiply = matrix_.kernels().multiply[static_cast<int>(layout_.format)];
    for (int64_t word = 0; word < segment.words; word += step) {
      block.weights = data + word * bytes_per_word;
      block.words = std::min(step, segment.words - word);
      block.next_bytes = whole ? 0 : block.words * bytes_per_word;
      block.next = block.weights + block.next_bytes;
      multiply(block);
      block.x += block.words;
      block.first = false;
    }
  }

  // A whole shard, in blocks of groups of columns.
  void AddIntSegment(const Segment& segment, float* sums) const {
    const IntLayout& ints = *layout_.ints;
    const int64_t groups = segment.columns / ints.group_columns;
    const int64_t group_bytes = ints.group_bytes() * panels_;
    const int64_t step =
        rows_ < kBlockedIntRows ? groups : std::max<int64_t>(1, kBlockBytes / group_bytes);
    IntBlock block{.weights = matrix_.DataOf(group_) + segment.byte_begin * panels_,
                   .panels = panels_,
                   .parts = ints.parts(),
                   .part_words = ints.part_words(),
                   .zeros = ints.zeros,
                   .x = product_.x + first_row_ * product_.x_stride + segment.word_begin,
                   .x_stride = product_.x_stride,
                   .x_scales = product_.x_scales + first_row_ * layout_.row_scales +
                               segment.column_begin / ints.part_columns * 2,
                   .x_scale_stride = layout_.row_scales,
                   .rows = rows_,
                   .sums = sums,
                   .first = true};
    const auto multiply = matrix_.kernels().ints->multiply[static_cast<int>(ints.format)];
    for (int64_t group = 0; group < groups; group += step) {
      block.groups = std::min(step, groups - group);
      multiply(block);
      block.weights += block.groups * group_bytes;
      block.x += block.groups * ints.group_columns / kStepColumns;
      block.x_scales += block.groups * ints.parts() * 2;
      block.first = false;
    }
  }

  // Of one panel, without scales.
  int64_t WeightBytes(const Segment& segment) const {
    const int64_t columns = segment.words * (layout_.words == WordForm::kBf16Pairs ? 2 : 1);
    return columns * kPanelRows * layout_.element_bytes;
  }

  void Write(const float* sums) const {
    const int64_t width = panels_ * kPanelRows;
    const int64_t begin = group_ * kGroupPanels * kPanelRows;
    const int64_t count = std::min<int64_t>(width, matrix_.n() - begin);
    const float* bias = matrix_.bias() == nullptr ? nullptr : matrix_.bias() + begin;
    for (int64_t row = 0; row < rows_; ++row, sums += width) {
      float* y = product_.y + (first_row_ + row) * product_.y_stride + begin;
      if (bias == nullptr) {
        std::copy(sums, sums + count, y);
      } else {
        for (int64_t i = 0; i < count; ++i) y[i] = sums[i] + bias[i];
      }
    }
  }

  // The sums become finished halves where they are.
  void WriteGateUp(float* sums) const {
    static_assert(kGroupPanels == 2);  // a group is a gate panel and its up panel
    const int64_t begin = group_ * kPanelRows;
    const int64_t count = std::min<int64_t>(kPanelRows, matrix_.n() - begin);
    const Gating& gating = matrix_.shape().gating;
    const auto gate = matrix_.kernels().gate[static_cast<int>(gating.function)];
    const bool biased = matrix_.bias() != nullptr;
    const float* const gate_bias = biased ? matrix_.bias() + begin : nullptr;
    const float* const up_bias = biased ? gate_bias + matrix_.n() : nullptr;
    for (int64_t row = 0; row < rows_; ++row, sums += 2 * kPanelRows) {
      for (int64_t i = 0; biased && i < count; ++i) {
        sums[i] += gate_bias[i];
        sums[kPanelRows + i] += up_bias[i];
      }
      float* y = product_.y + (first_row_ + row) * product_.y_stride + begin;
      gate(sums, sums + kPanelRows, count, gating.limit, y);
    }
  }

  const Product& product_;
  const PanelMatrix& matrix_;
  const PanelLayout& layout_;
  const int64_t group_;
  const int64_t first_row_;
  const int64_t rows_;
  const int panels_;
};

// Walks the tasks of all products; the numbers asked for only grow.
class TaskCursor {
 public:
  TaskCursor(std::span<const Product> products, float* sums) : products_(products), sums_(sums) {
    if (!products_.empty()) shape_ = ShapeOf(products_[0]);
  }

  void Run(int64_t task) {
    while (task - begin_ >= shape_.num_tasks) {
      begin_ += shape_.num_tasks;
      shape_ = ShapeOf(products_[++index_]);
    }
    const Product& product = products_[index_];
    // Chunks of rows of one group follow each other, so that the group's weights are read from
    // memory once.
    const int64_t group = (task - begin_) / shape_.row_chunks;
    const int64_t first_row = (task - begin_) % shape_.row_chunks * shape_.chunk_rows;
    const int64_t rows = std::min(shape_.chunk_rows, product.rows - first_row);
    if (rows > 0) Task(product, group, first_row, rows).Run(sums_);
  }

 private:
  const std::span<const Product> products_;
  float* const sums_;
  size_t index_ = 0;
  int64_t begin_ = 0;  // the first task of product index_
  TaskShape shape_;
};

}  // namespace

void RunProducts(const CpuContext& cpu, std::span<const Product> products) {
  constexpr int64_t kLineFloats = 16;
  int64_t num_tasks = 0, cost = 0, sums = 0;
  for (const Product& product : products) {
    if (product.rows == 0) continue;
    num_tasks += ShapeOf(product).num_tasks;
    const int64_t passes = (product.rows + kRowsPerPass - 1) / kRowsPerPass;
    cost += passes * product.weight->num_bytes();
    sums = std::max(sums, Task::SumsOf(product));
  }
  if (num_tasks == 0) return;
  sums = (sums + kLineFloats - 1) / kLineFloats * kLineFloats;
  float* memory = cpu.scratch->sums.Reserve(sums * cpu.pool.num_threads());
  if (num_tasks == 1 || cost < kRegionBytes || cpu.pool.num_threads() == 1) {
    TaskCursor cursor(products, memory);
    for (int64_t task = 0; task < num_tasks; ++task) cursor.Run(task);
    return;
  }
  cpu.pool.ResetCounter();
  cpu.pool.Run([&](int thread) {
    TaskCursor cursor(products, memory + thread * sums);
    for (int64_t task = cpu.pool.Take(1); task < num_tasks; task = cpu.pool.Take(1)) {
      cursor.Run(task);
    }
  });
}

}  // namespace switchyard::kernels::cpu
