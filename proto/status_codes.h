// grpc::Status <-> absl::Status: the codes are the same numbers.
#ifndef SWITCHYARD_PROTO_STATUS_CODES_H_
#define SWITCHYARD_PROTO_STATUS_CODES_H_

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <string>

namespace switchyard {

inline absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

inline grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace switchyard

#endif  // SWITCHYARD_PROTO_STATUS_CODES_H_
