// Many streaming answers at once, read by one thread.
#ifndef SWITCHYARD_TESTS_INTEGRATION_STREAM_SET_H_
#define SWITCHYARD_TESTS_INTEGRATION_STREAM_SET_H_

#include <chrono>
#include <string>
#include <vector>

namespace switchyard::testing {

// How a client behaves. Turns are those of StreamSet's reading.
struct ClientManner {
  size_t hang_up_at = 0;        // close without a word once so many bytes have come; 0: never
  bool leaves_at_once = false;  // close as soon as the request is sent
  bool waits = false;           // read nothing before StreamSet::LetAllRead
  int turns_between_reads = 0;  // of a slow reader
  size_t bytes_per_read = 16384;
  int receive_buffer_bytes = 0;  // of its socket; 0: the system's choice
};

// One client's connection and what it has read.
struct ClientStream {
  int fd = -1;  // -1: closed
  ClientManner manner;
  int turns_to_wait = 0;  // until it reads again
  bool hung_up = false;   // it closed first
  std::string bytes;      // status line, headers, chunks as they came

  // Of the parsed answer; call when the stream is over.
  int status() const;
  std::vector<std::string> Events() const;  // payloads of the server-sent events
  std::string Text() const;                 // of a completion's first choice, joined
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
  void Open(const std::string& request, const ClientManner& manner = {});
  // Those that waited read from now on.
  void LetAllRead();
  // Reads for at most `timeout`, or until every stream has begun to answer with an event.
  bool ReadUntilAllFlow(std::chrono::milliseconds timeout);
  // Until every stream has ended but those that wait; false at the timeout.
  bool ReadUntilAllEnd(std::chrono::milliseconds timeout);

  const std::vector<ClientStream>& streams() const { return streams_; }

 private:
  // One turn; false at the timeout.
  bool ReadSome(std::chrono::milliseconds timeout);
  static void Read(ClientStream& stream);

  const int port_;
  std::vector<ClientStream> streams_;
};

// POST with a JSON body on a connection of its own.
std::string PostAndClose(const std::string& path, const std::string& body);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_STREAM_SET_H_
