#include "cli/probe_rates.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/units.h"
#include "worker/backend.h"
#include "worker/parallel/rendezvous.h"
#include "worker/weights/job_runner.h"
#include "worker/weights/posix_file.h"

namespace switchyard::cli {
namespace {

using Clock = std::chrono::steady_clock;
using kernels::DType;
using kernels::TensorView;

double SecondsSince(Clock::time_point start) {
  return std::max(1e-9, std::chrono::duration<double>(Clock::now() - start).count());
}

// One device of the host and the products that it is timed with.
class ProbedDevice {
 public:
  ProbedDevice(const ProbeOptions& options, std::unique_ptr<worker::Backend> backend)
      : options_(options), backend_(std::move(backend)) {}

  worker::Backend& backend() { return *backend_; }

  // Of kWidth columns, and as many rows as make `num_bytes` in BF16.
  double MemoryBytesPerSecond(std::barrier<>& all) {
    const int64_t n = options_.weight_bytes / (kWidth * 2);
    const auto weight = Pack(DType::kBf16, n, kernels::Compute::kBf16);
    return double(weight->num_bytes()) / FastestProduct(*weight, 1, all);
  }

  double FlopsPerSecond(DType dtype, kernels::Compute compute, std::barrier<>& all) {
    const auto weight = Pack(dtype, kWidth, compute);
    const double flops = 2.0 * double(options_.rows) * kWidth * kWidth;
    return flops / FastestProduct(*weight, options_.rows, all);
  }

 private:
  static constexpr int64_t kWidth = 2048;

  std::unique_ptr<kernels::PackedLinear> Pack(DType dtype, int64_t n, kernels::Compute compute) {
    std::vector<std::byte> values(static_cast<size_t>(n * kWidth * kernels::SizeOf(dtype)));
    const std::vector<float> ones(static_cast<size_t>(CeilDiv(n, 128) * (kWidth / 128)), 1.0f);
    kernels::LinearSource source{.name = "probe",
                                 .weight = TensorView(values.data(), dtype, {n, kWidth}),
                                 .compute = compute};
    if (dtype == DType::kF8E4M3) {
      source.scales = TensorView(ones.data(), DType::kF32, {CeilDiv(n, 128), kWidth / 128});
    }
    return backend_->ops().Pack(source);
  }

  // Seconds, with all devices at the same work.
  double FastestProduct(const kernels::PackedLinear& weight, int64_t rows, std::barrier<>& all) {
    kernels::Ops& ops = backend_->ops();
    const DType act = ops.activation_dtype();
    const kernels::Buffer x = ops.device().Allocate(rows * kWidth * kernels::SizeOf(act));
    const kernels::Buffer y = ops.device().Allocate(rows * weight.n() * kernels::SizeOf(act));
    double fastest = 1e9;
    for (int trial = 0; trial <= options_.trials; ++trial) {
      all.arrive_and_wait();
      const Clock::time_point start = Clock::now();
      ops.Linear({.x = TensorView(x.data(), act, {rows, kWidth}),
                  .weight = &weight,
                  .y = TensorView(y.data(), act, {rows, weight.n()})});
      ops.device().Synchronize();
      if (trial > 0) fastest = std::min(fastest, SecondsSince(start));  // the first warms up
    }
    return fastest;
  }

  const ProbeOptions& options_;
  const std::unique_ptr<worker::Backend> backend_;
};

absl::StatusOr<double> LinkBytesPerSecond(const ProbeOptions& options, int rank,
                                          ProbedDevice& device, worker::RendezvousStore& store) {
  SY_ASSIGN_OR_RETURN(const auto peers,
                      device.backend().Connect(
                          store, {.name = "probe", .rank = rank, .size = options.num_devices}));
  kernels::Device& memory = device.backend().ops().device();
  const int64_t bytes = options.num_devices * options.exchanged_bytes;
  const kernels::Buffer from = memory.Allocate(bytes), to = memory.Allocate(bytes);
  double fastest = 1e9;
  for (int trial = 0; trial <= options.trials; ++trial) {
    SY_RETURN_IF_ERROR(peers->Barrier());
    memory.Synchronize();
    const Clock::time_point start = Clock::now();
    SY_RETURN_IF_ERROR(peers->AllToAll(from.data(), to.data(), options.exchanged_bytes));
    memory.Synchronize();
    if (trial > 0) fastest = std::min(fastest, SecondsSince(start));
  }
  return double(bytes - options.exchanged_bytes) / fastest;
}

// The largest files of a folder, as much of them as is wanted.
struct FilePart {
  std::string path;
  int64_t offset = 0;
  int64_t num_bytes = 0;
};

std::vector<FilePart> PartsToRead(const std::string& folder, int64_t most) {
  constexpr int64_t kPart = 8 * kMiB;
  std::vector<std::pair<int64_t, std::string>> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    files.emplace_back(static_cast<int64_t>(entry.file_size(error)), entry.path().string());
  }
  std::sort(files.rbegin(), files.rend());
  std::vector<FilePart> parts;
  for (const auto& [size, path] : files) {
    for (int64_t at = 0; at < size && most > 0; at += kPart) {
      const int64_t count = std::min({kPart, size - at, most});
      parts.push_back({.path = path, .offset = at, .num_bytes = count});
      most -= count;
    }
  }
  return parts;
}

// Asks the system to forget what it has of the file.
void DropFromCache(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

// The slower of what two devices reach.
void TakeSlower(double rate, double& slowest) {
  slowest = slowest == 0 ? rate : std::min(slowest, rate);
}

}  // namespace

absl::StatusOr<double> DiskBytesPerSecond(const ProbeOptions& options) {
  constexpr int kReaders = 8;
  const std::vector<FilePart> parts = PartsToRead(options.folder, options.disk_bytes);
  if (parts.empty()) {
    return absl::NotFoundError(fmt::format("{}: no file to read the disk by", options.folder));
  }
  int64_t bytes = 0;
  for (const FilePart& part : parts) {
    if (part.offset == 0) DropFromCache(part.path);
    bytes += part.num_bytes;
  }
  const Clock::time_point start = Clock::now();
  SY_RETURN_IF_ERROR(worker::RunJobs(
      std::ssize(parts), {.num_threads = kReaders}, [&](int64_t job, int) -> absl::Status {
        const FilePart& part = parts[static_cast<size_t>(job)];
        SY_ASSIGN_OR_RETURN(const auto file, worker::PosixFile::OpenForRead(part.path));
        const auto to = std::make_unique_for_overwrite<std::byte[]>(size_t(part.num_bytes));
        return file.ReadAt(part.offset, {to.get(), size_t(part.num_bytes)});
      }));
  return double(bytes) / SecondsSince(start);
}

absl::StatusOr<ProbedRates> Probe(const ProbeOptions& options) {
  ProbedRates rates;
  const int devices = options.num_devices;
  const int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / devices);
  std::vector<std::unique_ptr<ProbedDevice>> probed;
  for (int i = 0; i < devices; ++i) {
    SY_ASSIGN_OR_RETURN(
        auto backend,
        worker::MakeBackend({.backend = options.backend, .device = i, .num_threads = threads}));
    probed.push_back(std::make_unique<ProbedDevice>(options, std::move(backend)));
  }
  worker::LocalRendezvous store;
  std::barrier<> all(devices);
  std::vector<ProbedRates> of_device(static_cast<size_t>(devices));
  std::vector<absl::Status> statuses(static_cast<size_t>(devices));
  const auto run = [&](int index) -> absl::Status {
    ProbedDevice& device = *probed[static_cast<size_t>(index)];
    ProbedRates& own = of_device[static_cast<size_t>(index)];
    own.memory_bytes = device.MemoryBytesPerSecond(all);
    own.bf16_flops = device.FlopsPerSecond(DType::kBf16, kernels::Compute::kBf16, all);
    own.fp8_flops = device.FlopsPerSecond(DType::kF8E4M3, kernels::Compute::kW8A8, all);
    if (devices == 1) return absl::OkStatus();
    SY_ASSIGN_OR_RETURN(own.link_bytes, LinkBytesPerSecond(options, index, device, store));
    return absl::OkStatus();
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < devices; ++i) {
    workers.emplace_back([&, i] { statuses[static_cast<size_t>(i)] = run(i); });
  }
  for (std::thread& worker : workers) worker.join();
  for (const absl::Status& status : statuses) SY_RETURN_IF_ERROR(status);
  double link = 0;
  for (const ProbedRates& own : of_device) {
    TakeSlower(own.memory_bytes, rates.memory_bytes);
    TakeSlower(own.bf16_flops, rates.bf16_flops);
    TakeSlower(own.fp8_flops, rates.fp8_flops);
    if (own.link_bytes.has_value()) TakeSlower(*own.link_bytes, link);
  }
  if (link > 0) rates.link_bytes = link;
  if (!options.folder.empty()) {
    SY_ASSIGN_OR_RETURN(rates.disk_bytes, DiskBytesPerSecond(options));
  }
  return rates;
}

}  // namespace switchyard::cli
