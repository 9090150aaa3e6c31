// Option initcheck: reports loads of bytes that nobody wrote, in shared memory and in shadowed
// global memory (shadow_memory.h).
//
// Checked: loads, atomics and ldmatrix. Not checked: what copies and wgmma read (a tile may have
// rows that nobody uses); what a copy writes counts as written.
//
// Owner: the launch. Thread: any; the blocks of one gang belong to one OS thread.
#ifndef SWITCHYARD_EMULATOR_PTX_SHADOW_OBSERVER_H_
#define SWITCHYARD_EMULATOR_PTX_SHADOW_OBSERVER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/observer.h"

namespace emu {

class ShadowObserver : public Observer {
 public:
  void OnBlockStart(Block& block) override;
  void OnBlockEnd(Block& block) override;
  void OnAccess(const WarpAccess& access) override;
  void OnAsyncAccess(AsyncId id, AccessKind kind, Proxy proxy, const Location& at) override;

 private:
  using Written = std::vector<uint8_t>;  // by offset in a block's shared memory

  Written& SharedOf(const Block* block);
  void CheckShared(const Location& at, int lane);
  void Mark(const Location& at);

  std::mutex mutex_;
  std::unordered_map<const Block*, std::unique_ptr<Written>> shared_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_SHADOW_OBSERVER_H_
