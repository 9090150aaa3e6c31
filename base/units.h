// Sizes and small integer arithmetic that every folder needs.
#ifndef SWITCHYARD_BASE_UNITS_H_
#define SWITCHYARD_BASE_UNITS_H_

#include <cstdint>
#include <string>

namespace switchyard {

inline constexpr int64_t kKiB = int64_t{1} << 10;
inline constexpr int64_t kMiB = int64_t{1} << 20;
inline constexpr int64_t kGiB = int64_t{1} << 30;

constexpr int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t RoundUp(int64_t a, int64_t b) { return CeilDiv(a, b) * b; }
constexpr bool IsPowerOfTwo(int64_t a) { return a > 0 && (a & (a - 1)) == 0; }

// "1.50 GiB", "640 KiB", "12 B".
std::string FormatBytes(int64_t num_bytes);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_UNITS_H_
