// A plain blocking HTTP client over one socket: tests send any bytes, well-formed or not, and read
// what comes back.
#ifndef SWITCHYARD_TESTS_TESTING_HTTP_CLIENT_H_
#define SWITCHYARD_TESTS_TESTING_HTTP_CLIENT_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::testing {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// Reads give up after 20 seconds, as if the server had closed.
class HttpClient {
 public:
  // Connects to 127.0.0.1. `receive_buffer_bytes` > 0 makes the kernel's buffer that small.
  explicit HttpClient(int port, int receive_buffer_bytes = 0);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return connected_; }
  // False if the server closed.
  bool Send(std::string_view bytes);
  void Close();
  // Closes as a process that was killed with unread input: the server sees a reset.
  void Reset();

  // One whole answer; none if the connection ends before it does. `has_body` is false for answers
  // to HEAD.
  std::optional<HttpAnswer> ReadAnswer(bool has_body = true);
  // The head, and then piece by piece the body of a chunked answer: none at its end.
  std::optional<HttpAnswer> ReadHead();
  std::optional<std::string> ReadChunk();
  // True when the server closes; throws away what comes before.
  bool WaitForClose();

 private:
  bool Fill();
  std::optional<std::string> ReadLine();
  std::optional<std::string> ReadBytes(size_t count);

  int fd_ = -1;
  bool connected_ = false;
  bool closed_by_server_ = false;
  std::string buffer_;
};

// A request with a JSON body.
std::string Post(std::string_view path, std::string_view body);
std::string Get(std::string_view path);

// The `data:` lines of a server-sent event stream.
std::vector<std::string> SseData(std::string_view body);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_HTTP_CLIENT_H_
