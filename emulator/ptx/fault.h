// A fault of the emulated program, on its way from the instruction that found it up to Launch(),
// which turns it into a report. The one exception type of emulator/ptx besides ParseError; neither
// leaves the folder.
#ifndef SWITCHYARD_EMULATOR_PTX_FAULT_H_
#define SWITCHYARD_EMULATOR_PTX_FAULT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace emu {

enum class FaultKind : uint8_t {
  kIllegalAddress,    // outside every live allocation, or outside shared memory
  kUseAfterFree,      // inside an allocation that was freed
  kMisaligned,        // address not a multiple of the access
  kUninitialised,     // read of bytes that nobody wrote
  kRace,              // unordered conflicting accesses
  kDeadlock,          // no warp can ever go on
  kAssert,            // device-side assert or trap
  kIllegalOperation,  // an instruction used against its rules
};

std::string_view FaultName(FaultKind kind);

class Fault {
 public:
  Fault(FaultKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  // The same, found in one lane (0 to 31) of the executing warp.
  Fault(FaultKind kind, int lane, std::string message)
      : kind_(kind), lane_(lane), message_(std::move(message)) {}

  FaultKind kind() const { return kind_; }
  int lane() const { return lane_; }  // -1: the warp as a whole
  const std::string& message() const { return message_; }
  // Set once by the warp that was executing: kernel, block, thread, line and text.
  const std::string& where() const { return where_; }
  void set_where(std::string where) { where_ = std::move(where); }

 private:
  FaultKind kind_;
  int lane_ = -1;
  std::string message_;
  std::string where_;
};

// A fault of the PTX text. The message names line and text.
class ParseError {
 public:
  explicit ParseError(std::string message) : message_(std::move(message)) {}
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_FAULT_H_
