#include "tests/integration/stream_set.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/json.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

milliseconds Left(Clock::time_point deadline) {
  return std::max(milliseconds(0),
                  std::chrono::duration_cast<milliseconds>(deadline - Clock::now()));
}

// The body of a chunked answer as far as it came.
std::string Dechunk(const std::string& bytes) {
  std::string body;
  size_t at = bytes.find("\r\n\r\n");
  if (at == std::string::npos) return body;
  at += 4;
  while (at < bytes.size()) {
    const size_t line_end = bytes.find("\r\n", at);
    if (line_end == std::string::npos) break;
    const size_t size = std::strtoul(bytes.c_str() + at, nullptr, 16);
    body += bytes.substr(line_end + 2, size);
    at = line_end + 2 + size + 2;
  }
  return body;
}

}  // namespace

int ClientStream::status() const { return bytes.size() < 12 ? 0 : std::atoi(bytes.c_str() + 9); }

std::vector<std::string> ClientStream::Events() const { return SseData(Dechunk(bytes)); }

std::string ClientStream::Text() const {
  std::string text;
  for (const std::string& event : Events()) {
    const Json json = Json::parse(event, nullptr, false);
    if (!json.is_object() || !json.contains("choices") || json["choices"].empty()) continue;
    if (json["choices"][0].value("index", 0) != 0) continue;
    text += json["choices"][0].value("text", "");
  }
  return text;
}

bool ClientStream::IsDone() const {
  const std::vector<std::string> events = Events();
  return !events.empty() && events.back() == "[DONE]";
}

bool ClientStream::HasError() const {
  if (status() != 200) return status() >= 400;
  const std::vector<std::string> events = Events();
  return std::any_of(events.begin(), events.end(),
                     [](const std::string& event) { return event.rfind("{\"error\"", 0) == 0; });
}

StreamSet::~StreamSet() {
  for (const ClientStream& stream : streams_) {
    if (stream.fd >= 0) close(stream.fd);
  }
}

void StreamSet::Open(const std::string& request, const ClientManner& manner) {
  ClientStream& stream = streams_.emplace_back();
  stream.manner = manner;
  stream.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (manner.receive_buffer_bytes > 0) {
    setsockopt(stream.fd, SOL_SOCKET, SO_RCVBUF, &manner.receive_buffer_bytes,
               sizeof(manner.receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port_));
  const bool sent =
      connect(stream.fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(stream.fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size());
  stream.hung_up = sent && manner.leaves_at_once;
  if (sent && !stream.hung_up) return;
  close(stream.fd);
  stream.fd = -1;
}

void StreamSet::LetAllRead() {
  for (ClientStream& stream : streams_) stream.manner.waits = false;
}

void StreamSet::Read(ClientStream& stream) {
  if (stream.turns_to_wait-- > 0) return;
  stream.turns_to_wait = stream.manner.turns_between_reads;
  char chunk[16384];
  const size_t size = std::min(sizeof(chunk), stream.manner.bytes_per_read);
  const ssize_t count = recv(stream.fd, chunk, size, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return;
  if (count > 0) stream.bytes.append(chunk, count);
  const size_t hang_up_at = stream.manner.hang_up_at;
  stream.hung_up = count > 0 && hang_up_at > 0 && stream.bytes.size() >= hang_up_at;
  if (count > 0 && !stream.hung_up) return;
  close(stream.fd);
  stream.fd = -1;
}

bool StreamSet::ReadSome(milliseconds timeout) {
  std::vector<pollfd> waiting;
  std::vector<ClientStream*> open;
  for (ClientStream& stream : streams_) {
    if (stream.fd < 0 || stream.manner.waits) continue;
    waiting.push_back({.fd = stream.fd, .events = POLLIN});
    open.push_back(&stream);
  }
  if (poll(waiting.data(), waiting.size(), static_cast<int>(timeout.count())) <= 0) return false;
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i].revents != 0) Read(*open[i]);
  }
  return true;
}

bool StreamSet::ReadUntilAllFlow(milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto flows = [](const ClientStream& stream) {
    return stream.bytes.find("data: ") != std::string::npos;
  };
  while (!std::all_of(streams_.begin(), streams_.end(), flows)) {
    if (!ReadSome(Left(deadline))) return false;
  }
  return true;
}

bool StreamSet::ReadUntilAllEnd(milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto ended = [](const ClientStream& stream) {
    return stream.fd < 0 || stream.manner.waits;
  };
  while (!std::all_of(streams_.begin(), streams_.end(), ended)) {
    if (!ReadSome(Left(deadline))) return false;
  }
  return true;
}

std::string PostAndClose(const std::string& path, const std::string& body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      path, body.size(), body);
}

}  // namespace switchyard::testing
