// The C ABI: how communicators come to be.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>
#include <vector>

#include "emulator/nccl/abi.h"
#include "emulator/nccl/api_support.h"
#include "emulator/nccl/group.h"
#include "emulator/nccl/last_error.h"
#include "emulator/nccl/segment.h"
#include "emulator/nccl/split.h"

namespace emu {
namespace {

constexpr unsigned kConfigMagic = 0xcafebeef;

// `blocking` keeps its value where the configuration does not say.
Outcome ReadConfig(const ncclConfig_t* config, bool* blocking) {
  if (config == nullptr) return {};
  if (config->magic != kConfigMagic || config->size == 0) {
    return {ncclInvalidArgument, "the configuration was not set to NCCL_CONFIG_INITIALIZER"};
  }
  if (config->blocking == NCCL_CONFIG_UNDEF_INT) return {};
  if (config->blocking != 0 && config->blocking != 1) {
    return {ncclInvalidArgument, "blocking is " + std::to_string(config->blocking) +
                                     " in the configuration; it must be 0 or 1"};
  }
  *blocking = config->blocking == 1;
  return {};
}

Outcome CheckRanks(int num_ranks, int rank) {
  if (num_ranks < 1 || rank < 0 || rank >= num_ranks) {
    return {ncclInvalidArgument,
            "rank " + std::to_string(rank) + " of " + std::to_string(num_ranks) + " ranks"};
  }
  if (num_ranks <= kMaxRanks) return {};
  return {ncclInvalidUsage, std::to_string(num_ranks) + " ranks; the emulator takes at most " +
                                std::to_string(kMaxRanks)};
}

struct InitRequest {
  int num_ranks;
  int rank;
  int device;
  ncclUniqueId id;
  bool blocking;
};

// The handle exists at once; the ranks meet now, or at the end of the thread's group.
Outcome Init(const InitRequest& request, ncclComm_t* out) {
  if (Outcome checked = CheckRanks(request.num_ranks, request.rank); !checked.ok()) return checked;
  NcclOptions options;
  if (Outcome read = NcclOptionsFromEnvironment(&options); !read.ok()) return read;
  const CommPointer comm = CommTable::Create(request.blocking);
  const auto core =
      std::make_shared<Communicator>(request.rank, request.num_ranks, request.device, options);
  comm->set_core(core);
  *out = comm.get();
  return Group::Current().AddJob(
      comm, [core, id = request.id] { return core->Join(id, nullptr); }, out);
}

Outcome InitOnCurrentDevice(ncclComm_t* out, int num_ranks, const ncclUniqueId& id, int rank,
                            const ncclConfig_t* config) {
  if (out == nullptr) return {ncclInvalidArgument, "the address of the communicator is null"};
  InitRequest request = {
      .num_ranks = num_ranks, .rank = rank, .device = 0, .id = id, .blocking = true};
  if (Outcome read = ReadConfig(config, &request.blocking); !read.ok()) return read;
  if (cudaGetDevice(&request.device) != cudaSuccess) {
    return {ncclUnhandledCudaError, "cudaGetDevice failed"};
  }
  return Init(request, out);
}

Outcome InitAll(ncclComm_t* comms, const std::vector<int>& devices) {
  int num_devices = 0;
  if (cudaGetDeviceCount(&num_devices) != cudaSuccess) {
    return {ncclUnhandledCudaError, "cudaGetDeviceCount failed"};
  }
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i] < 0 || devices[i] >= num_devices) {
      return {ncclInvalidArgument, "device " + std::to_string(devices[i]) + " of " +
                                       std::to_string(num_devices) + " devices"};
    }
    if (std::count(devices.begin(), devices.end(), devices[i]) > 1) {
      return {ncclInvalidUsage, "device " + std::to_string(devices[i]) + " is listed twice"};
    }
  }
  ncclUniqueId id;
  if (Outcome made = Segment::Create(&id); !made.ok()) return made;
  Group& group = Group::Current();
  group.Start();
  for (size_t i = 0; i < devices.size(); ++i) {
    group.NoteFailure(Init({.num_ranks = static_cast<int>(devices.size()),
                            .rank = static_cast<int>(i),
                            .device = devices[i],
                            .id = id,
                            .blocking = true},
                           &comms[i]));
  }
  return group.End();
}

// The parent of a split or shrink: not in progress, alive, perhaps revoked.
Outcome FindParent(ncclComm_t handle, ncclComm_t* out, bool may_have_failed, CommPointer* comm) {
  if (out == nullptr) return {ncclInvalidArgument, "the address of the communicator is null"};
  Outcome found = FindReadyComm(handle, comm);
  const bool usable = found.ok() || (may_have_failed && *comm != nullptr &&
                                     !(*comm)->in_progress() && (*comm)->core() != nullptr);
  return usable ? Outcome{} : found;
}

Outcome Split(ncclComm_t handle, int color, int key, ncclComm_t* out, const ncclConfig_t* config) {
  CommPointer comm;
  if (Outcome found = FindParent(handle, out, false, &comm); !found.ok()) return found;
  if (color < 0 && color != NCCL_SPLIT_NOCOLOR) {
    return {ncclInvalidArgument, "colour " + std::to_string(color) + " of a split"};
  }
  bool blocking = comm->blocking;
  if (Outcome read = ReadConfig(config, &blocking); !read.ok()) return read;
  *out = nullptr;
  const auto parent = comm->core();
  if (color == NCCL_SPLIT_NOCOLOR) {
    const auto nobody = std::make_shared<ncclComm>(true);
    return Group::Current().AddJob(
        nobody, [parent, color, key] { return RunSplit(parent, color, key, nullptr); }, out);
  }
  const CommPointer child = CommTable::Create(blocking);
  child->set_parent(parent);
  *out = child.get();
  return Group::Current().AddJob(
      child,
      [parent, color, key, child = child.get()] { return RunSplit(parent, color, key, child); },
      out);
}

Outcome Shrink(ncclComm_t handle, const std::vector<int>& excluded, ncclComm_t* out,
               const ncclConfig_t* config, int flags) {
  const bool aborts = flags == NCCL_SHRINK_ABORT;
  if (!aborts && flags != NCCL_SHRINK_DEFAULT) {
    return {ncclInvalidArgument, "shrink flags " + std::to_string(flags)};
  }
  CommPointer comm;
  if (Outcome found = FindParent(handle, out, aborts, &comm); !found.ok()) return found;
  const auto parent = comm->core();
  for (const int rank : excluded) {
    if (rank < 0 || rank >= parent->num_ranks() || rank == parent->rank()) {
      return {ncclInvalidArgument, "rank " + std::to_string(parent->rank()) + " of " +
                                       std::to_string(parent->num_ranks()) +
                                       " cannot exclude rank " + std::to_string(rank)};
    }
  }
  bool blocking = comm->blocking;
  if (Outcome read = ReadConfig(config, &blocking); !read.ok()) return read;
  if (aborts) parent->Revoke();
  const CommPointer child = CommTable::Create(blocking);
  child->set_parent(parent);
  *out = child.get();
  return Group::Current().AddJob(
      child,
      [parent, excluded, aborts, child = child.get()] {
        if (aborts) parent->WaitUntilIdle();
        return RunShrink(parent, excluded, child);
      },
      out);
}

ncclResult_t Finish(const Outcome& outcome) {
  return Return(outcome.code == ncclInProgress ? outcome : Group::Current().NoteFailure(outcome));
}

}  // namespace
}  // namespace emu

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* uniqueId) {
  if (uniqueId == nullptr) {
    return emu::Return({ncclInvalidArgument, "the address of the unique id is null"});
  }
  return emu::Return(emu::Segment::Create(uniqueId));
}
EMU_PROFILING_NAME(ncclGetUniqueId);

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int nranks, ncclUniqueId commId, int rank) {
  return emu::Finish(emu::InitOnCurrentDevice(comm, nranks, commId, rank, nullptr));
}
EMU_PROFILING_NAME(ncclCommInitRank);

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int nranks, ncclUniqueId commId, int rank,
                                    ncclConfig_t* config) {
  return emu::Finish(emu::InitOnCurrentDevice(comm, nranks, commId, rank, config));
}
EMU_PROFILING_NAME(ncclCommInitRankConfig);

ncclResult_t ncclCommInitRankScalable(ncclComm_t* newcomm, int nranks, int myrank, int nId,
                                      ncclUniqueId* commIds, ncclConfig_t* config) {
  if (nId < 1 || nId > nranks || commIds == nullptr) {
    return emu::Finish({ncclInvalidArgument, std::to_string(nId) + " unique ids for " +
                                                 std::to_string(nranks) + " ranks"});
  }
  // One meeting place is enough inside one machine: all ranks have the ids in the same order.
  return emu::Finish(emu::InitOnCurrentDevice(newcomm, nranks, commIds[0], myrank, config));
}
EMU_PROFILING_NAME(ncclCommInitRankScalable);

ncclResult_t ncclCommInitAll(ncclComm_t* comm, int ndev, const int* devlist) {
  if (comm == nullptr || ndev < 1) {
    return emu::Finish({ncclInvalidArgument, "communicators for " + std::to_string(ndev) +
                                                 " devices, or no address to put them"});
  }
  std::vector<int> devices;
  for (int i = 0; i < ndev; ++i) devices.push_back(devlist == nullptr ? i : devlist[i]);
  return emu::Finish(emu::InitAll(comm, devices));
}
EMU_PROFILING_NAME(ncclCommInitAll);

ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t* newcomm,
                           ncclConfig_t* config) {
  return emu::Finish(emu::Split(comm, color, key, newcomm, config));
}
EMU_PROFILING_NAME(ncclCommSplit);

ncclResult_t ncclCommShrink(ncclComm_t comm, int* excludeRanksList, int excludeRanksCount,
                            ncclComm_t* newcomm, ncclConfig_t* config, int shrinkFlags) {
  if (excludeRanksList == nullptr || excludeRanksCount < 1) {
    return emu::Finish({ncclInvalidArgument, "a shrink without ranks to exclude"});
  }
  const std::vector<int> excluded(excludeRanksList, excludeRanksList + excludeRanksCount);
  return emu::Finish(emu::Shrink(comm, excluded, newcomm, config, shrinkFlags));
}
EMU_PROFILING_NAME(ncclCommShrink);

}  // extern "C"
