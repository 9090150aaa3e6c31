// The C interface: objects of the program that graphs keep alive.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <vector>

#include "emulator/cudart/graph_call.h"

namespace emu {
namespace {

// body(Runtime::HeldUserObject&), then the program's references are looked at: without any, only
// graphs hold the object. `dying` takes it out of the lock, for its destructor is the program's.
template <typename Body>
cudaError_t ObjectCall(cudaUserObject_t handle, std::shared_ptr<UserObject>* dying, Body body) {
  return HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    const auto found = runtime.user_objects.find(handle);
    if (found == runtime.user_objects.end()) return cudaErrorInvalidValue;
    const cudaError_t error = body(found->second);
    if (found->second.references > 0) return error;
    *dying = std::move(found->second.object);
    runtime.user_objects.erase(found);
    return error;
  });
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaUserObjectCreate(cudaUserObject_t* out, void* pointer, cudaHostFn_t destroy,
                                 unsigned references, unsigned flags) {
  if (out == nullptr || destroy == nullptr || references == 0 ||
      flags != cudaUserObjectNoDestructorSync) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) {
    auto object = std::make_shared<emu::UserObject>();
    object->pointer = pointer;
    object->destroy = destroy;
    *out = reinterpret_cast<cudaUserObject_t>(object.get());
    runtime.user_objects[object.get()] = {object, references};
    return cudaSuccess;
  });
}

cudaError_t cudaUserObjectRetain(cudaUserObject_t handle, unsigned count) {
  std::shared_ptr<emu::UserObject> dying;
  return emu::ObjectCall(handle, &dying, [&](emu::Runtime::HeldUserObject& held) {
    held.references += count;
    return cudaSuccess;
  });
}

cudaError_t cudaUserObjectRelease(cudaUserObject_t handle, unsigned count) {
  std::shared_ptr<emu::UserObject> dying;
  return emu::ObjectCall(handle, &dying, [&](emu::Runtime::HeldUserObject& held) {
    if (count > held.references) return cudaErrorInvalidValue;
    held.references -= count;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t handle, unsigned count,
                                      unsigned flags) {
  if (count == 0 || (flags & ~unsigned{cudaGraphUserObjectMove}) != 0) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  std::shared_ptr<emu::UserObject> dying;
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    const std::shared_ptr<emu::Graph> found = emu::FindGraph(runtime, graph);
    const auto held = runtime.user_objects.find(handle);
    if (found == nullptr || held == runtime.user_objects.end()) return cudaErrorInvalidValue;
    found->user_objects.insert(found->user_objects.end(), count, held->second.object);
    if (flags == 0) return cudaSuccess;
    if (count > held->second.references) return cudaErrorInvalidValue;
    held->second.references -= count;
    if (held->second.references > 0) return cudaSuccess;
    dying = std::move(held->second.object);
    runtime.user_objects.erase(held);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphReleaseUserObject(cudaGraph_t graph, cudaUserObject_t handle, unsigned count) {
  std::vector<std::shared_ptr<emu::UserObject>> dying;
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    const std::shared_ptr<emu::Graph> found = emu::FindGraph(runtime, graph);
    if (found == nullptr) return cudaErrorInvalidValue;
    for (unsigned i = 0; i < count; ++i) {
      auto& objects = found->user_objects;
      const auto object = std::find_if(objects.begin(), objects.end(), [&](const auto& one) {
        return one.get() == reinterpret_cast<const emu::UserObject*>(handle);
      });
      if (object == objects.end()) return cudaErrorInvalidValue;
      dying.push_back(std::move(*object));
      objects.erase(object);
    }
    return cudaSuccess;
  });
}

}  // extern "C"
