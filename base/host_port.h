// Network addresses as people write them.
#ifndef SWITCHYARD_BASE_HOST_PORT_H_
#define SWITCHYARD_BASE_HOST_PORT_H_

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace switchyard {

// "host:port", with an IPv6 address in brackets.
inline std::string JoinHostPort(std::string_view host, int port) {
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_HOST_PORT_H_
