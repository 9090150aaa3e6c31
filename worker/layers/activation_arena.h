// Memory of one step's activations: one block of device memory, handed out from its front, taken
// back in reverse order.
#ifndef SWITCHYARD_WORKER_LAYERS_ACTIVATION_ARENA_H_
#define SWITCHYARD_WORKER_LAYERS_ACTIVATION_ARENA_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "base/check.h"
#include "base/units.h"
#include "kernels/device.h"
#include "kernels/tensor_view.h"

namespace switchyard::worker {

class ActivationArena {
 public:
  static constexpr int64_t kAlignment = 64;

  ActivationArena(kernels::Device& device, int64_t num_bytes)
      : memory_(device.AllocateAhead(num_bytes)) {}

  // Bytes that Take needs for `num_elements` of `dtype`: what a bound is made of.
  static constexpr int64_t BytesFor(kernels::DType dtype, int64_t num_elements) {
    return RoundUp(num_elements * kernels::SizeOf(dtype), kAlignment);
  }

  // Uninitialised. Dies of a CHECK when the arena is too small: its size is a bound over every step
  // that a plan allows.
  kernels::TensorView Take(kernels::DType dtype, std::initializer_list<int64_t> shape) {
    kernels::TensorView view(nullptr, dtype, shape);
    const int64_t num_bytes = BytesFor(dtype, view.NumElements());
    SY_CHECK_LE(used_ + num_bytes, memory_.num_bytes()) << "activation arena";
    view.data = static_cast<std::byte*>(memory_.data()) + used_;
    used_ += num_bytes;
    high_water_ = std::max(high_water_, used_);
    return view;
  }

  int64_t num_bytes() const { return memory_.num_bytes(); }
  int64_t high_water() const { return high_water_; }

  // Gives back what was taken during its life.
  class Scope {
   public:
    explicit Scope(ActivationArena& arena) : arena_(arena), mark_(arena.used_) {}
    ~Scope() { arena_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ActivationArena& arena_;
    const int64_t mark_;
  };

 private:
  kernels::Buffer memory_;
  int64_t used_ = 0;
  int64_t high_water_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_ACTIVATION_ARENA_H_
