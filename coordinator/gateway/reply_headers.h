// What the gateway adds to an answer's head, whoever answers and however.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_REPLY_HEADERS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_REPLY_HEADERS_H_

#include <memory>
#include <string>
#include <vector>

#include "coordinator/gateway/http_message.h"

namespace switchyard::gateway {

inline constexpr char kWarningHeader[] = "X-Switchyard-Warning";

// The same reply, whose head gets `headers` beside its own.
std::shared_ptr<HttpReply> WithHeaders(std::shared_ptr<HttpReply> reply, HttpHeaders headers);

// Says which fields of a request were ignored: quoted as JSON in ASCII, each shortened, and only as
// many as fit some hundred bytes. No name: nothing.
std::string WarningOfIgnored(const std::vector<std::string>& names);

// The same reply, with a header that says it. No name: the reply itself.
std::shared_ptr<HttpReply> NameIgnoredFields(std::shared_ptr<HttpReply> reply,
                                             const std::vector<std::string>& names);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_REPLY_HEADERS_H_
