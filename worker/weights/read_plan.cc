#include "worker/weights/read_plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/check.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kPlaceAlignment = 64;  // of ranges that are not in direct extents

int64_t BlockBegin(int64_t offset) { return offset / kDirectBlock * kDirectBlock; }

// Bytes [begin, end) of a file, and the ranges in it: a part of the sorted order.
struct Extent {
  int32_t file;
  bool shared;
  int64_t begin;
  int64_t end;
  size_t first;
  size_t last;
};

class Planner {
 public:
  Planner(std::span<const WantedRange> wanted, const ReadPlanOptions& options)
      : wanted_(wanted), options_(options), order_(wanted.size()) {
    plan_.places.resize(wanted.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::ranges::stable_sort(order_, {}, [&](size_t i) {
      const TensorRange& range = wanted_[i].range;
      return std::tuple(range.tensor->file, range.num_bytes() == 0 ? 0 : range.file_offset());
    });
  }

  ReadPlan Make() {
    for (size_t i = 0; i < order_.size(); ++i) {
      const WantedRange& wanted = wanted_[order_[i]];
      CheckRange(wanted.range);
      if (wanted.range.num_bytes() == 0) continue;
      if (OneRun(wanted.range)) {
        i = AddExtent(i);
      } else {
        AddRuns(order_[i]);
      }
    }
    // Runs of one tensor and an extent between them may have come in another order.
    std::ranges::stable_sort(plan_.pieces, {}, [](const ReadPiece& piece) {
      return std::tuple(piece.file, piece.offset);
    });
    for (const ReadPiece& piece : plan_.pieces) {
      plan_.num_bytes += piece.num_bytes();
      if (piece.direct) plan_.num_direct_bytes += piece.num_bytes();
    }
    return std::move(plan_);
  }

 private:
  static bool OneRun(const TensorRange& range) {
    return range.num_bytes() > 0 && (range.whole_rows() || range.num_rows() == 1);
  }

  // The extent that begins with order_[first]; returns the last index that it took.
  size_t AddExtent(size_t first) {
    const WantedRange& begin = wanted_[order_[first]];
    Extent extent{.file = begin.range.tensor->file,
                  .shared = begin.shared,
                  .begin = begin.range.file_offset(),
                  .end = begin.range.file_offset() + begin.range.num_bytes(),
                  .first = first,
                  .last = first};
    for (size_t i = first + 1; i < order_.size(); ++i) {
      const WantedRange& next = wanted_[order_[i]];
      if (!OneRun(next.range) || next.range.tensor->file != extent.file ||
          next.shared != extent.shared || next.range.file_offset() > extent.end) {
        break;
      }
      extent.end = std::max(extent.end, next.range.file_offset() + next.range.num_bytes());
      extent.last = i;
    }
    CutExtent(extent);
    return extent.last;
  }

  void CutExtent(const Extent& extent) {
    const bool direct = options_.direct && !extent.shared &&
                        extent.end - extent.begin >= options_.least_direct_bytes;
    const int64_t begin = direct ? BlockBegin(extent.begin) : extent.begin;
    const int64_t end = direct ? RoundUp(extent.end, kDirectBlock) : extent.end;
    const int64_t step =
        direct ? RoundUp(options_.piece_bytes, kDirectBlock) : options_.piece_bytes;
    const int64_t staging = RoundUp(plan_.staging_bytes, direct ? kDirectBlock : kPlaceAlignment);
    for (int64_t at = begin; at < end; at += step) {
      plan_.pieces.push_back({.file = extent.file,
                              .direct = direct,
                              .offset = at,
                              .run_bytes = std::min(step, end - at),
                              .staging = staging + at - begin,
                              .wanted_bytes = std::min(step, extent.end - at)});
    }
    for (size_t i = extent.first; i <= extent.last; ++i) {
      plan_.places[order_[i]] = staging + wanted_[order_[i]].range.file_offset() - begin;
    }
    plan_.staging_bytes = staging + end - begin;
  }

  // Runs of some columns: pieces of whole runs that with their gaps are as long as others, or of
  // parts of one run where it is long.
  void AddRuns(size_t index) {
    const TensorRange& range = wanted_[index].range;
    const int64_t run = range.num_bytes() / range.num_rows();
    const int64_t staging = RoundUp(plan_.staging_bytes, kPlaceAlignment);
    const int64_t at_once = std::max<int64_t>(1, options_.piece_bytes / range.row_bytes());
    for (int64_t row = 0; row < range.num_rows(); row += at_once) {
      const int64_t offset = range.file_offset() + row * range.row_bytes();
      for (int64_t part = 0; part < run; part += options_.piece_bytes) {
        ReadPiece piece{.file = range.tensor->file,
                        .offset = offset + part,
                        .run_bytes = std::min(run - part, options_.piece_bytes),
                        .runs = std::min(at_once, range.num_rows() - row),
                        .run_stride = range.row_bytes(),
                        .staging = staging + row * run + part};
        piece.wanted_bytes = piece.num_bytes();
        plan_.pieces.push_back(piece);
      }
    }
    plan_.places[index] = staging;
    plan_.staging_bytes = staging + range.num_bytes();
  }

  const std::span<const WantedRange> wanted_;
  const ReadPlanOptions& options_;
  std::vector<size_t> order_;  // indices of wanted_, by file and offset
  ReadPlan plan_;
};

}  // namespace

ReadPlan PlanReads(std::span<const WantedRange> wanted, const ReadPlanOptions& options) {
  SY_CHECK_GE(options.piece_bytes, 1);
  return Planner(wanted, options).Make();
}

int64_t MaxStagingBytes(const TensorRange& range) { return range.num_bytes() + 3 * kDirectBlock; }

}  // namespace switchyard::worker
