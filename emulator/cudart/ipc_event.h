// The part of an interprocess event that processes share: two counters in a page of an in-memory
// file. A process that waits sleeps on the page; nobody polls.
//
// Owner: Event, shared with operations under way. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_IPC_EVENT_H_
#define SWITCHYARD_EMULATOR_CUDART_IPC_EVENT_H_

#include <cstdint>
#include <memory>

namespace emu {

class IpcEvent {
 public:
  // Null: the system refused.
  static std::shared_ptr<IpcEvent> Create();
  // The event of another process, by what its ExportTo wrote. Null: it is gone.
  static std::shared_ptr<IpcEvent> Import(const char (&handle)[64]);
  ~IpcEvent();
  IpcEvent(const IpcEvent&) = delete;
  IpcEvent& operator=(const IpcEvent&) = delete;

  void ExportTo(char (*handle)[64]) const;

  // A record was queued; returns its number.
  uint32_t Record();
  // The device has reached record `number`.
  void Complete(uint32_t number);
  uint32_t last_recorded() const;
  bool IsComplete(uint32_t number) const;
  void WaitFor(uint32_t number) const;

 private:
  struct Page;
  IpcEvent(int fd, Page* page) : fd_(fd), page_(page) {}

  int fd_;
  Page* page_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_IPC_EVENT_H_
