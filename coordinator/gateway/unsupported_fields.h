// Request fields that clients of OpenAI-compatible servers know and Switchyard does not serve yet,
// and those that have nothing to say to it.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_UNSUPPORTED_FIELDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_UNSUPPORTED_FIELDS_H_

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/json_fields.h"

namespace switchyard::gateway {

// INVALID_ARGUMENT (code unsupported_parameter) naming the first such field whose value asks for
// something that would not happen.
absl::Status RefuseUnsupportedFields(const RequestFields& request);

// What changes nothing here, whose request it is for OpenAI, and hints: read, so that nobody is
// told of it. INVALID_ARGUMENT for one of another type than OpenAI's.
absl::Status CheckIdleFields(const RequestFields& request);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_UNSUPPORTED_FIELDS_H_
