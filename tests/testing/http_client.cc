#include "tests/testing/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace switchyard::testing {
namespace {

constexpr int kPatienceSeconds = 20;

}  // namespace

HttpClient::HttpClient(int port, int receive_buffer_bytes) {
  fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{kPatienceSeconds, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

HttpClient::~HttpClient() { Close(); }

void HttpClient::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void HttpClient::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool HttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

bool HttpClient::Fill() {
  char bytes[16384];
  const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), 0);
  if (n <= 0) {
    closed_by_server_ = n == 0 || errno == ECONNRESET || errno == EPIPE;
    return false;
  }
  buffer_.append(bytes, size_t(n));
  return true;
}

std::optional<std::string> HttpClient::ReadLine() {
  size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::optional<std::string> HttpClient::ReadBytes(size_t count) {
  while (buffer_.size() < count) {
    if (!Fill()) return std::nullopt;
  }
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return bytes;
}

std::optional<HttpAnswer> HttpClient::ReadHead() {
  HttpAnswer answer;
  auto line = ReadLine();
  if (!line || line->size() < 12) return std::nullopt;
  answer.status = std::stoi(line->substr(9, 3));
  while ((line = ReadLine()) && !line->empty()) {
    const size_t colon = line->find(": ");
    if (colon == std::string::npos) return std::nullopt;
    std::string name = line->substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    answer.headers[name] = line->substr(colon + 2);
  }
  if (!line) return std::nullopt;
  return answer;
}

std::optional<std::string> HttpClient::ReadChunk() {
  const auto size_line = ReadLine();
  if (!size_line || size_line->empty()) return std::nullopt;
  const size_t size = std::stoul(*size_line, nullptr, 16);
  auto bytes = ReadBytes(size);
  if (!bytes || !ReadBytes(2) || size == 0) return std::nullopt;
  return bytes;
}

std::optional<HttpAnswer> HttpClient::ReadAnswer(bool has_body) {
  auto answer = ReadHead();
  if (!answer || !has_body) return answer;
  if (const auto length = answer->headers.find("content-length"); length != answer->headers.end()) {
    const auto body = ReadBytes(std::stoul(length->second));
    if (!body) return std::nullopt;
    answer->body = *body;
  } else if (answer->headers.count("transfer-encoding")) {
    while (const auto chunk = ReadChunk()) answer->body += *chunk;
  }
  return answer;
}

bool HttpClient::WaitForClose() {
  while (Fill()) buffer_.clear();
  return closed_by_server_;
}

std::string Post(std::string_view path, std::string_view body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      path, body.size(), body);
}

std::string Get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", path);
}

std::vector<std::string> SseData(std::string_view body) {
  std::vector<std::string> events;
  while (!body.empty()) {
    const size_t end = body.find("\n\n");
    std::string_view event = body.substr(0, end);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 2);
    if (event.starts_with("event: ")) {
      event.remove_prefix(std::min(event.size(), event.find('\n') + 1));
    }
    if (event.substr(0, 6) == "data: ") events.emplace_back(event.substr(6));
  }
  return events;
}

}  // namespace switchyard::testing
