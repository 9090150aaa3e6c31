#include "worker/weights/shard_reader.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "worker/weights/job_runner.h"

namespace switchyard::worker {
namespace {

constexpr size_t kMaxPartsPerCall = 256;
constexpr int64_t kProgressStepBytes = 4 * kMiB;

int64_t NumRows(const TensorInfo& tensor) { return tensor.shape.empty() ? 1 : tensor.shape[0]; }

// Of one row.
int64_t NumCols(const TensorInfo& tensor) {
  int64_t cols = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) cols *= tensor.shape[i];
  return cols;
}

// A stretch of a file without gap, and where it goes.
struct Piece {
  int32_t file;
  int64_t offset;
  int64_t num_bytes;
  std::byte* out;
};

// Pieces [begin, end) follow each other in one file: one system call reads them.
struct Batch {
  size_t begin;
  size_t end;
  int64_t num_bytes;
};

void CheckRequest(const ReadRequest& request) {
  const TensorRange& range = request.range;
  SY_CHECK(range.tensor != nullptr);
  const TensorInfo& tensor = *range.tensor;
  SY_CHECK(0 <= range.row_begin && range.row_begin <= range.row_end &&
           range.row_end <= NumRows(tensor))
      << tensor.name << " rows " << range.row_begin << ".." << range.row_end;
  SY_CHECK(0 <= range.col_begin && range.col_begin <= range.col_end &&
           range.col_end <= NumCols(tensor))
      << tensor.name << " columns " << range.col_begin << ".." << range.col_end;
  SY_CHECK_EQ(range.num_bytes(), int64_t(request.out.size())) << tensor.name;
}

void AddPieces(const ReadRequest& request, int64_t chunk_bytes, std::vector<Piece>& pieces) {
  const TensorRange& range = request.range;
  const TensorInfo& tensor = *range.tensor;
  const int64_t element_bytes = FileDtypeBytes(tensor.dtype);
  const int64_t cols = NumCols(tensor);
  // Whole rows lie one behind the other: they are one run.
  const bool whole_rows = range.num_cols() == cols;
  const int64_t num_runs = whole_rows ? 1 : range.num_rows();
  const int64_t run_bytes = num_runs == 0 ? 0 : range.num_bytes() / num_runs;
  if (run_bytes == 0) return;
  std::byte* out = request.out.data();
  for (int64_t run = 0; run < num_runs; ++run) {
    const int64_t first_element = (range.row_begin + run) * cols + range.col_begin;
    const int64_t begin = tensor.offset + first_element * element_bytes;
    for (int64_t done = 0; done < run_bytes; done += chunk_bytes) {
      const int64_t num_bytes = std::min(chunk_bytes, run_bytes - done);
      pieces.push_back({tensor.file, begin + done, num_bytes, out});
      out += num_bytes;
    }
  }
}

std::vector<Piece> PlanPieces(std::span<const ReadRequest> requests, int64_t chunk_bytes) {
  std::vector<Piece> pieces;
  for (const ReadRequest& request : requests) {
    CheckRequest(request);
    AddPieces(request, chunk_bytes, pieces);
  }
  std::ranges::sort(pieces, [](const Piece& a, const Piece& b) {
    return std::tie(a.file, a.offset) < std::tie(b.file, b.offset);
  });
  return pieces;
}

std::vector<Batch> PlanBatches(std::span<const Piece> pieces, int64_t chunk_bytes) {
  std::vector<Batch> batches;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    if (!batches.empty()) {
      Batch& batch = batches.back();
      const Piece& last = pieces[i - 1];
      const bool follows = last.file == piece.file && last.offset + last.num_bytes == piece.offset;
      if (follows && batch.end - batch.begin < kMaxPartsPerCall &&
          batch.num_bytes + piece.num_bytes <= chunk_bytes) {
        batch.end = i + 1;
        batch.num_bytes += piece.num_bytes;
        continue;
      }
    }
    batches.push_back({i, i + 1, piece.num_bytes});
  }
  return batches;
}

// Counts bytes of all threads and tells the caller of them.
class Progress {
 public:
  Progress(const std::function<void(int64_t, int64_t)>& report, int64_t total)
      : report_(report), total_(total) {}

  void Add(int64_t num_bytes) {
    std::lock_guard lock(mutex_);
    done_ += num_bytes;
    if (!report_ || (done_ < reported_ + kProgressStepBytes && done_ < total_)) return;
    reported_ = done_;
    report_(done_, total_);
  }
  int64_t done() const { return done_; }

 private:
  const std::function<void(int64_t, int64_t)>& report_;
  const int64_t total_;
  std::mutex mutex_;
  int64_t done_ = 0;
  int64_t reported_ = 0;
};

absl::Status ReadBatch(const PosixFile& file, std::span<const Piece> pieces) {
  std::vector<iovec> parts;
  parts.reserve(pieces.size());
  for (const Piece& piece : pieces) parts.push_back({piece.out, size_t(piece.num_bytes)});
  return file.ReadAt(pieces.front().offset, parts);
}

}  // namespace

TensorRange TensorRange::Whole(const TensorInfo& tensor) {
  return Rows(tensor, 0, NumRows(tensor));
}

TensorRange TensorRange::Rows(const TensorInfo& tensor, int64_t begin, int64_t end) {
  return {.tensor = &tensor, .row_begin = begin, .row_end = end, .col_end = NumCols(tensor)};
}

TensorRange TensorRange::Cols(const TensorInfo& tensor, int64_t begin, int64_t end) {
  return {.tensor = &tensor, .row_end = NumRows(tensor), .col_begin = begin, .col_end = end};
}

ShardReader::ShardReader(const Checkpoint* checkpoint, ShardReaderOptions options)
    : checkpoint_(checkpoint), options_(std::move(options)) {
  SY_CHECK_GE(options_.num_threads, 1);
  SY_CHECK_GE(options_.chunk_bytes, 1);
}

absl::Status ShardReader::Read(std::span<const ReadRequest> requests) {
  const std::vector<Piece> pieces = PlanPieces(requests, options_.chunk_bytes);
  const std::vector<Batch> batches = PlanBatches(pieces, options_.chunk_bytes);
  std::map<int32_t, PosixFile> files;
  int64_t total = 0;
  for (const Piece& piece : pieces) {
    total += piece.num_bytes;
    if (files.contains(piece.file)) continue;
    SY_ASSIGN_OR_RETURN(PosixFile file, PosixFile::OpenForRead(checkpoint_->files()[piece.file]));
    files.emplace(piece.file, std::move(file));
  }
  Progress progress(options_.progress, total);
  const absl::Status status = RunJobs(
      int64_t(batches.size()), {.num_threads = options_.num_threads, .cancel = options_.cancel},
      [&](int64_t job, int) -> absl::Status {
        const Batch& batch = batches[job];
        const auto parts = std::span(pieces).subspan(batch.begin, batch.end - batch.begin);
        SY_RETURN_IF_ERROR(ReadBatch(files.at(parts.front().file), parts));
        progress.Add(batch.num_bytes);
        return absl::OkStatus();
      });
  bytes_read_ += progress.done();
  return status;
}

}  // namespace switchyard::worker
