// Many streaming answers at once, read by one thread.
#ifndef SWITCHYARD_TESTS_INTEGRATION_STREAM_SET_H_
#define SWITCHYARD_TESTS_INTEGRATION_STREAM_SET_H_

#include <chrono>
#include <string>
#include <vector>

namespace switchyard::testing {

// One client's connection and what it has read.
struct ClientStream {
  int fd = -1;            // -1: closed
  size_t hang_up_at = 0;  // close without a word once so many bytes have come; 0: never
  bool hung_up = false;   // it did
  std::string bytes;      // status line, headers, chunks as they came

  // Of the parsed answer; call when the stream is over.
  int status() const;
  std::vector<std::string> Events() const;  // payloads of the server-sent events
  std::string Text() const;                 // of a completion, its pieces joined
  bool IsDone() const;                      // [DONE] has come
  bool HasError() const;                    // an error event, or a status that is none of success
};

class StreamSet {
 public:
  explicit StreamSet(int port) : port_(port) {}
  ~StreamSet();
  StreamSet(const StreamSet&) = delete;
  StreamSet& operator=(const StreamSet&) = delete;

  // Connects to 127.0.0.1, sends the request ("Connection: close" belongs in it), does not wait.
  void Open(const std::string& request, size_t hang_up_at = 0);
  // Reads for at most `timeout`, or until every stream has begun to answer with an event.
  bool ReadUntilAllFlow(std::chrono::milliseconds timeout);
  // Until every stream has ended; false at the timeout.
  bool ReadUntilAllEnd(std::chrono::milliseconds timeout);

  const std::vector<ClientStream>& streams() const { return streams_; }

 private:
  // One poll; false at the timeout.
  bool ReadSome(std::chrono::milliseconds timeout);

  const int port_;
  std::vector<ClientStream> streams_;
};

// POST with a JSON body on a connection of its own.
std::string PostAndClose(const std::string& path, const std::string& body);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_STREAM_SET_H_
