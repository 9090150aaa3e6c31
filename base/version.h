// The version of this build: both sides of the cluster's protocol must agree on it.
#ifndef SWITCHYARD_BASE_VERSION_H_
#define SWITCHYARD_BASE_VERSION_H_

namespace switchyard {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_VERSION_H_
