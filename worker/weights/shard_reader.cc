#include "worker/weights/shard_reader.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "worker/weights/posix_file.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxUnderWay = 64;
constexpr int64_t kProgressStepBytes = 4 * kMiB;
constexpr milliseconds kPoll(100);        // how soon a cancel is seen
constexpr milliseconds kFarewell(2'000);  // for reads that are under way after a failure

}  // namespace

struct ShardReader::OpenFile {
  PosixFile cached;
  std::optional<PosixFile> direct;  // none where the file system cannot
};

// A piece that is under way.
struct ShardReader::Piece {
  ReadPiece at;
  size_t batch;
  int64_t done = 0;
  bool direct = false;  // as it was last asked for
};

// One call of Run.
class ShardReader::Pass {
 public:
  Pass(ShardReader& reader, std::span<ReadBatch> batches, StagingPool& pool,
       const std::function<absl::Status(ReadBatch&)>& done)
      : reader_(reader), batches_(batches), pool_(pool), done_(done), states_(batches.size()) {
    for (const ReadBatch& batch : batches) {
      for (const WantedRange& wanted : batch.ranges) {
        CheckRange(wanted.range);
        progress_.bytes_total += wanted.range.num_bytes();
      }
    }
  }

  absl::Status Run() {
    const absl::Status status = Loop();
    // Memory that the system may still write to is kept by the engine, whatever becomes of it.
    for (auto left = kFarewell; !status.ok() && !under_way_.empty() && left.count() > 0;) {
      const std::optional<ReadResult> result = reader_.engine_->Wait(kPoll);
      if (result)
        under_way_.erase(result->id);
      else
        left -= kPoll;
    }
    reader_.bytes_read_ += progress_.bytes_done;
    return status;
  }

 private:
  struct BatchState {
    int64_t wanted = 0;
    int64_t come = 0;  // of all pieces
    size_t pieces_left = 0;
  };

  absl::Status Loop() {
    milliseconds silence{0};
    while (true) {
      if (reader_.options_.cancelled && reader_.options_.cancelled())
        return absl::CancelledError("loading was cancelled");
      SY_RETURN_IF_ERROR(SubmitMore());
      if (under_way_.empty()) {
        if (next_batch_ == batches_.size()) break;
        continue;  // a batch without bytes
      }
      const std::optional<ReadResult> result = reader_.engine_->Wait(kPoll);
      if (!result.has_value()) {
        silence += kPoll;
        if (silence >= reader_.options_.max_silence) return Stuck();
        continue;
      }
      silence = milliseconds(0);
      SY_RETURN_IF_ERROR(Take(*result));
    }
    for (const auto& file : reader_.files_) {
      if (file != nullptr) SY_RETURN_IF_ERROR(file->cached.CheckUnchanged());
    }
    return absl::OkStatus();
  }

  absl::Status SubmitMore() {
    while (std::ssize(under_way_) < kMaxUnderWay) {
      if (next_piece_ == num_pieces_) {
        if (next_batch_ == batches_.size()) return absl::OkStatus();
        SY_ASSIGN_OR_RETURN(const bool begun, BeginBatch());
        if (!begun) return absl::OkStatus();
        continue;
      }
      Piece piece{.at = batches_[current_].plan.pieces[next_piece_++], .batch = current_};
      SY_RETURN_IF_ERROR(Submit(std::move(piece), true));
    }
    return absl::OkStatus();
  }

  // False if there is no memory for it now. Waits for memory only if nothing is under way.
  absl::StatusOr<bool> BeginBatch() {
    ReadBatch& batch = batches_[next_batch_];
    if (batch.plan.places.size() != batch.ranges.size() || batch.plan.pieces.empty()) {
      batch.plan = PlanReads(batch.ranges, reader_.options_.plan);
    }
    batch.memory = under_way_.empty() ? pool_.Take(batch.plan.staging_bytes)
                                      : pool_.TryTake(batch.plan.staging_bytes);
    if (batch.memory == nullptr) return false;
    current_ = next_batch_++;
    next_piece_ = 0;
    num_pieces_ = batch.plan.pieces.size();
    BatchState& state = states_[current_];
    state.pieces_left = num_pieces_;
    for (const WantedRange& wanted : batch.ranges) state.wanted += wanted.range.num_bytes();
    if (state.pieces_left == 0) SY_RETURN_IF_ERROR(done_(batch));
    return true;
  }

  absl::Status Submit(Piece piece, bool first) {
    SY_ASSIGN_OR_RETURN(OpenFile* const file, reader_.Open(piece.at.file));
    const ReadPiece& at = piece.at;
    if (first) {
      piece.direct =
          at.direct && file->direct.has_value() && !file->cached.IsCached(at.offset, at.run_bytes);
    }
    const int64_t run = piece.done / at.run_bytes, within = piece.done % at.run_bytes;
    ReadOp op{.id = reader_.next_id_++,
              .fd = piece.direct ? file->direct->fd() : file->cached.fd(),
              .offset = at.offset + run * at.run_stride + within,
              .out = batches_[piece.batch].memory.get() + at.staging + piece.done,
              .run_bytes = at.run_bytes - within,
              .runs = within > 0 ? 1 : at.runs - run,
              .run_stride = at.run_stride,
              .direct = piece.direct,
              .memory = batches_[piece.batch].memory};
    under_way_.emplace(op.id, std::move(piece));
    reader_.engine_->Submit(op);
    return absl::OkStatus();
  }

  // The place in the file that a piece has come to.
  static int64_t Place(const Piece& piece) {
    return piece.at.offset + piece.done / piece.at.run_bytes * piece.at.run_stride +
           piece.done % piece.at.run_bytes;
  }
  const std::string& PathOf(const Piece& piece) const {
    return reader_.checkpoint_->files()[static_cast<size_t>(piece.at.file)];
  }

  absl::Status Take(const ReadResult& result) {
    auto node = under_way_.extract(result.id);
    SY_CHECK(!node.empty()) << "a read that nobody asked for";
    Piece piece = std::move(node.mapped());
    if (result.result == -EINTR || result.result == -EAGAIN) return Submit(std::move(piece), false);
    if (result.result == -EINVAL && piece.direct) {  // it takes the flag, but no such reads
      piece.direct = false;
      return Submit(std::move(piece), false);
    }
    if (result.result < 0) {
      errno = static_cast<int>(-result.result);
      return ErrnoStatus(PathOf(piece), fmt::format("read at byte {}", Place(piece)));
    }
    (piece.direct ? reader_.counters_.direct_bytes : reader_.counters_.cached_bytes) +=
        result.result;
    piece.done += result.result;
    if (piece.done >= piece.at.wanted_bytes) return Finish(piece);
    if (result.result == 0) return CutStatus(piece);
    // A direct read that ends inside a block met the file's end: ask again where that is.
    if (piece.done % kDirectBlock != 0) piece.direct = false;
    return Submit(std::move(piece), false);
  }

  absl::Status CutStatus(const Piece& piece) const {
    const OpenFile& file = *reader_.files_[static_cast<size_t>(piece.at.file)];
    const int64_t end = std::min(Place(piece), file.cached.CurrentBytes());
    return absl::DataLossError(
        fmt::format("{}: ends at byte {}, it was cut while it was read", PathOf(piece), end));
  }

  absl::Status Finish(const Piece& piece) {
    BatchState& state = states_[piece.batch];
    const int64_t before = std::min(state.come, state.wanted);
    state.come += piece.at.wanted_bytes;
    --state.pieces_left;
    const bool complete = state.pieces_left == 0;
    const int64_t now = complete ? state.wanted : std::min(state.come, state.wanted);
    progress_.bytes_done += now - before;
    Report();
    return complete ? done_(batches_[piece.batch]) : absl::OkStatus();
  }

  void Report() {
    const int64_t done = progress_.bytes_done;
    const bool due = done >= reported_ + kProgressStepBytes ||
                     (done == progress_.bytes_total && done > reported_);
    if (!due || !reader_.options_.progress) return;
    reported_ = done;
    reader_.options_.progress(progress_);
  }

  absl::Status Stuck() const {
    const Piece& piece = under_way_.begin()->second;
    const double seconds = std::chrono::duration<double>(reader_.options_.max_silence).count();
    return absl::DeadlineExceededError(fmt::format(
        "{}: loading is stuck: for {} s no byte has come of a read at byte {}; {} of {} "
        "bytes were read; see whether the disk or its network answers",
        PathOf(piece), seconds, Place(piece), progress_.bytes_done, progress_.bytes_total));
  }

  ShardReader& reader_;
  const std::span<ReadBatch> batches_;
  StagingPool& pool_;
  const std::function<absl::Status(ReadBatch&)>& done_;
  std::vector<BatchState> states_;
  size_t current_ = 0;     // whose pieces are asked for
  size_t next_batch_ = 0;  // not yet begun
  size_t next_piece_ = 0;  // of num_pieces_: a batch that is handed over is not looked at again
  size_t num_pieces_ = 0;
  std::map<uint64_t, Piece> under_way_;  // by id: the oldest first
  ReadProgress progress_;
  int64_t reported_ = 0;
};

ShardReader::ShardReader(const Checkpoint* checkpoint, ShardReaderOptions options)
    : checkpoint_(checkpoint),
      options_(std::move(options)),
      engine_(options_.make_engine ? options_.make_engine() : MakeReadEngine(options_.num_threads)),
      files_(checkpoint->files().size()) {}
ShardReader::~ShardReader() = default;

absl::StatusOr<ShardReader::OpenFile*> ShardReader::Open(int32_t file) {
  std::unique_ptr<OpenFile>& open = files_[static_cast<size_t>(file)];
  if (open != nullptr) return open.get();
  const std::string& path = checkpoint_->files()[static_cast<size_t>(file)];
  SY_ASSIGN_OR_RETURN(PosixFile cached, PosixFile::OpenForRead(path));
  open = std::make_unique<OpenFile>(OpenFile{.cached = std::move(cached), .direct = {}});
  if (!options_.plan.direct) return open.get();
  absl::StatusOr<PosixFile> direct = PosixFile::OpenDirect(path);
  if (direct.ok()) open->direct = *std::move(direct);
  return open.get();
}

absl::Status ShardReader::Run(std::span<ReadBatch> batches, StagingPool& pool,
                              const std::function<absl::Status(ReadBatch&)>& done) {
  return Pass(*this, batches, pool, done).Run();
}

absl::Status ShardReader::Read(ReadBatch& batch) {
  batch.plan = PlanReads(batch.ranges, options_.plan);
  StagingPool pool(1, std::max<int64_t>(1, batch.plan.staging_bytes));
  return Run({&batch, 1}, pool, [](ReadBatch&) { return absl::OkStatus(); });
}

}  // namespace switchyard::worker
