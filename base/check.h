// CHECK: for what must be true whatever the world does. A failure is a bug of ours: it prints the
// condition, the message and the stack, and aborts. Bad input is no bug: that is an absl::Status
// (base/status.h).
#ifndef SWITCHYARD_BASE_CHECK_H_
#define SWITCHYARD_BASE_CHECK_H_

#include <sstream>

namespace switchyard {

// Collects the message of a failed CHECK; its destructor prints and aborts.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();

  std::ostream& stream() { return message_; }

 private:
  std::ostringstream message_;
};

// Lets the macro be a statement of type void on both arms of its conditional.
struct CheckVoidify {
  void operator&(std::ostream&) {}
};

}  // namespace switchyard

#define SY_CHECK(condition)            \
  (__builtin_expect(!!(condition), 1)) \
      ? (void)0                        \
      : ::switchyard::CheckVoidify() & \
            ::switchyard::CheckFailure(__FILE__, __LINE__, #condition).stream()

#define SY_CHECK_OP(a, op, b) SY_CHECK((a)op(b)) << (a) << " vs " << (b) << ' '
#define SY_CHECK_EQ(a, b) SY_CHECK_OP(a, ==, b)
#define SY_CHECK_NE(a, b) SY_CHECK_OP(a, !=, b)
#define SY_CHECK_LE(a, b) SY_CHECK_OP(a, <=, b)
#define SY_CHECK_LT(a, b) SY_CHECK_OP(a, <, b)
#define SY_CHECK_GE(a, b) SY_CHECK_OP(a, >=, b)
#define SY_CHECK_GT(a, b) SY_CHECK_OP(a, >, b)

#endif  // SWITCHYARD_BASE_CHECK_H_
