#include "coordinator/gateway/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace switchyard::gateway {
namespace asio = boost::asio;

namespace {

// Pipelined bytes that are read ahead while a request is being answered; beyond that the client
// waits.
constexpr size_t kMaxReadAhead = 64 << 10;
// So many bytes are worth a write of their own, and are not copied.
constexpr size_t kLarge = 1 << 20;
// What an answer may let pile up beyond others' is memory that all share: so many write timeouts
// are enough to take all of it.
constexpr int64_t kMostWriteTimeouts = 64;

}  // namespace

// Posts every call to the strand. Holds the connection, which has no operation pending of its own
// while a full read-ahead waits.
class HttpConnection::Reply : public HttpReply {
 public:
  Reply(std::shared_ptr<HttpConnection> connection, uint64_t exchange)
      : connection_(std::move(connection)), exchange_(exchange) {}
  ~Reply() override {
    Post([exchange = exchange_](HttpConnection& c) { c.ReplyDropped(exchange); });
  }

  void Send(HttpResponse response) override {
    Post([exchange = exchange_, response = std::move(response)](HttpConnection& c) mutable {
      c.Answer(exchange, std::move(response));
    });
  }
  void StartStream(HttpResponse head) override {
    Post([exchange = exchange_, head = std::move(head)](HttpConnection& c) mutable {
      c.BeginStream(exchange, std::move(head));
    });
  }
  void Write(std::string bytes) override {
    const auto size = int64_t(bytes.size());
    const int64_t posted = connection_->num_bytes_posted_.fetch_add(size) + size;
    if (posted > connection_->context_->options.max_write_queue_bytes + num_more_bytes_) {
      connection_->num_bytes_posted_.fetch_sub(size);
      connection_->Abort();
      return;
    }
    Post([exchange = exchange_, text = std::move(bytes)](HttpConnection& c) mutable {
      c.num_bytes_posted_.fetch_sub(int64_t(text.size()));
      c.ContinueStream(exchange, std::move(text));
    });
  }
  void EndStream() override {
    Post([exchange = exchange_](HttpConnection& c) { c.CompleteStream(exchange); });
  }
  void AllowMore(int64_t num_bytes, std::shared_ptr<const void> held) override {
    num_more_bytes_ = num_bytes;
    Post([exchange = exchange_, num_bytes, held = std::move(held)](HttpConnection& c) mutable {
      c.AllowMore(exchange, num_bytes, std::move(held));
    });
  }
  void OnDisconnect(std::function<void()> callback) override {
    Post([exchange = exchange_, callback = std::move(callback)](HttpConnection& c) mutable {
      c.SetDisconnectCallback(exchange, std::move(callback));
    });
  }

 private:
  template <typename Work>
  void Post(Work work) {
    asio::post(connection_->socket_.get_executor(),
               [connection = connection_, work = std::move(work)]() mutable { work(*connection); });
  }

  const std::shared_ptr<HttpConnection> connection_;
  const uint64_t exchange_;
  std::atomic<int64_t> num_more_bytes_{0};  // that may pile up
};

HttpConnection::HttpConnection(Socket socket, std::shared_ptr<const HttpConnectionContext> context,
                               bool refused, std::function<void(HttpConnection*)> on_closed)
    : socket_(std::move(socket)),
      context_(std::move(context)),
      refused_(refused),
      on_closed_(std::move(on_closed)),
      parser_(context_->options.limits),
      read_timer_(socket_.get_executor()),
      write_timer_(socket_.get_executor()) {}

void HttpConnection::Start() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->refused_) {
      self->FailRequest(503, "too many connections are open; try again later");
    } else {
      self->Advance();
    }
  });
}

void HttpConnection::Drain() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->draining_ = true;
    self->keep_alive_ = false;
    if (self->state_ == State::kReading && !self->parser_.in_request()) self->Close();
  });
}

void HttpConnection::Abort() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Close(); });
}

// ---- Reading

void HttpConnection::StartRead() {
  if (read_pending_ || peer_sends_no_more_ || state_ == State::kClosed) return;
  read_pending_ = true;
  socket_.async_read_some(asio::buffer(read_buffer_),
                          [self = shared_from_this()](const boost::system::error_code& ec,
                                                      size_t n) { self->OnRead(ec, n); });
}

void HttpConnection::OnRead(const boost::system::error_code& ec, size_t num_bytes) {
  read_pending_ = false;
  if (state_ == State::kClosed) return;
  if (ec == asio::error::eof) return OnEndOfInput();
  if (ec) return Close();
  switch (state_) {
    case State::kReading:
      parser_.Append({read_buffer_.data(), num_bytes});
      return Advance();
    case State::kAnswering:
      parser_.Append({read_buffer_.data(), num_bytes});
      return parser_.num_buffered() < kMaxReadAhead ? StartRead() : WatchForBreak();
    default:
      return StartRead();  // lingering: thrown away
  }
}

void HttpConnection::WatchForBreak() {
  if (break_watched_) return;
  break_watched_ = true;
  socket_.async_wait(Socket::wait_error,
                     [self = shared_from_this()](const boost::system::error_code& ec) {
                       self->break_watched_ = false;
                       if (!ec) self->Close();
                     });
}

void HttpConnection::OnEndOfInput() {
  peer_sends_no_more_ = true;
  if (state_ != State::kAnswering) return Close();
  keep_alive_ = false;
  NotifyDisconnect();
}

void HttpConnection::NotifyDisconnect() {
  if (disconnected_ || state_ != State::kAnswering || stage_ == Stage::kComplete) return;
  disconnected_ = true;
  if (disconnect_callback_) std::exchange(disconnect_callback_, nullptr)();
}

void HttpConnection::Advance() {
  std::optional<HttpRequest> request = parser_.Next();
  if (parser_.error()) return FailRequest(parser_.error()->status, parser_.error()->message);
  if (request) return Dispatch(*std::move(request));
  if (const std::optional<HttpRequest> head = parser_.TakeHead();
      head && context_->options.refuse) {
    std::optional<HttpResponse> refusal = context_->options.refuse(*head);
    if (refusal) {
      BeginExchange(*head);
      keep_alive_ = false;  // what follows is the body
      return Answer(exchange_, *std::move(refusal));
    }
  }
  if (draining_ && !parser_.in_request()) return Close();
  if (parser_.TakeExpectContinue()) QueueWrite("HTTP/1.1 100 Continue\r\n\r\n");
  if (!parser_.in_request()) {
    Arm(read_timer_, context_->options.idle_timeout, &HttpConnection::OnReadTimeout);
  } else if (!request_timed_) {
    request_timed_ = true;
    Arm(read_timer_, context_->options.read_timeout, &HttpConnection::OnReadTimeout);
  }
  StartRead();
}

void HttpConnection::BeginExchange(const HttpRequest& request) {
  Disarm(read_timer_);
  request_timed_ = false;
  state_ = State::kAnswering;
  stage_ = Stage::kNone;
  disconnected_ = false;
  ++exchange_;
  path_ = request.path;
  origin_ = request.origin;
  request_id_ = request.request_id;
  head_only_ = request.method == "HEAD";
  http_1_0_ = request.http_1_0;
  keep_alive_ = request.keep_alive && !draining_;
}

void HttpConnection::Dispatch(HttpRequest request) {
  request.arrived = std::chrono::steady_clock::now();
  BeginExchange(request);
  StartRead();
  context_->handler(std::move(request), std::make_shared<Reply>(shared_from_this(), exchange_));
}

void HttpConnection::FailRequest(int status, std::string_view message) {
  Disarm(read_timer_);
  state_ = State::kAnswering;
  stage_ = Stage::kNone;
  ++exchange_;
  head_only_ = false;
  keep_alive_ = false;
  path_ = parser_.path();
  origin_ = parser_.origin();
  request_id_ = parser_.request_id();
  Answer(exchange_, OwnError(status, message));
}

HttpResponse HttpConnection::OwnError(int status, std::string_view message) const {
  const HttpServerOptions& options = context_->options;
  if (options.count_error) options.count_error(status, path_);
  HttpResponse response{.status = status, .body = options.error_body(status, path_, message)};
  if (options.error_headers) response.headers = options.error_headers(origin_);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

void HttpConnection::OnReadTimeout() {
  if (state_ == State::kReading && parser_.in_request()) {
    return FailRequest(408, "the request did not arrive in time");
  }
  Close();
}

// ---- Answering

bool HttpConnection::IsOpen(uint64_t exchange) const {
  return state_ == State::kAnswering && exchange_ == exchange && stage_ != Stage::kComplete;
}

void HttpConnection::Answer(uint64_t exchange, HttpResponse response) {
  if (!IsOpen(exchange) || stage_ != Stage::kNone) return;
  stage_ = Stage::kComplete;
  disconnect_callback_ = nullptr;
  std::string head = FormatHttpHead(response, {.keep_alive = keep_alive_,
                                               .http_1_0 = http_1_0_,
                                               .content_length = long(response.body.size()),
                                               .request_id = request_id_});
  const bool has_body = !head_only_ && response.status != 204;
  if (has_body && response.body.size() > kLarge) {  // not copied
    QueueWrite(std::move(head));
    return QueueWrite(std::move(response.body));
  }
  if (has_body) head += response.body;
  QueueWrite(std::move(head));
}

void HttpConnection::BeginStream(uint64_t exchange, HttpResponse head) {
  if (!IsOpen(exchange) || stage_ != Stage::kNone) return;
  stage_ = Stage::kStreaming;
  chunked_ = !http_1_0_;
  if (http_1_0_) keep_alive_ = false;  // only the connection's end can end this body
  std::string first_piece = std::move(head.body);
  QueueWrite(FormatHttpHead(
      head, {.keep_alive = keep_alive_, .http_1_0 = http_1_0_, .request_id = request_id_}));
  if (!first_piece.empty()) ContinueStream(exchange, std::move(first_piece));
}

void HttpConnection::ContinueStream(uint64_t exchange, std::string bytes) {
  if (!IsOpen(exchange) || stage_ != Stage::kStreaming || head_only_) return;
  const size_t num_waiting = write_queue_.num_bytes() + write_buffer_.size() - write_offset_;
  if (int64_t(num_waiting + bytes.size()) >
      context_->options.max_write_queue_bytes + num_more_bytes_) {
    return Close();
  }
  if (!chunked_) return QueueWrite(std::move(bytes));
  if (bytes.size() <= kLarge) return QueueWrite(FormatHttpChunk(bytes));
  QueueWrite(FormatHttpChunkHead(bytes.size()));
  QueueWrite(std::move(bytes));
  QueueWrite(std::string(kHttpChunkEnd));
}

void HttpConnection::CompleteStream(uint64_t exchange) {
  if (!IsOpen(exchange) || stage_ != Stage::kStreaming) return;
  stage_ = Stage::kComplete;
  disconnect_callback_ = nullptr;
  if (chunked_ && !head_only_) {
    QueueWrite(std::string(kHttpLastChunk));
  } else if (write_buffer_.empty()) {
    FinishExchange();
  }
}

void HttpConnection::ReplyDropped(uint64_t exchange) {
  if (!IsOpen(exchange)) return;
  if (stage_ == Stage::kStreaming || disconnected_) return Close();
  Answer(exchange, OwnError(500, "the request was not answered"));
}

void HttpConnection::AllowMore(uint64_t exchange, int64_t num_bytes,
                               std::shared_ptr<const void> held) {
  if (!IsOpen(exchange)) return;
  num_more_bytes_ = num_bytes;
  held_ = std::move(held);
}

void HttpConnection::SetDisconnectCallback(uint64_t exchange, std::function<void()> callback) {
  if (exchange_ != exchange || stage_ == Stage::kComplete) return;
  if (disconnected_) return callback();
  disconnect_callback_ = std::move(callback);
}

// ---- Writing

void HttpConnection::QueueWrite(std::string bytes) {
  if (state_ == State::kClosed || bytes.empty()) return;
  write_queue_.Push(std::move(bytes));
  if (write_buffer_.empty()) StartWrite();
}

void HttpConnection::StartWrite() {
  if (write_offset_ == write_buffer_.size()) {
    write_buffer_ = write_queue_.Pop();
    write_offset_ = 0;
  }
  if (num_bytes_due_ <= 0) {
    num_bytes_due_ = std::max<int64_t>(1, num_more_bytes_ / kMostWriteTimeouts);
    Arm(write_timer_, context_->options.write_timeout, &HttpConnection::Close);
  }
  socket_.async_write_some(
      asio::buffer(write_buffer_.data() + write_offset_, write_buffer_.size() - write_offset_),
      [self = shared_from_this()](const boost::system::error_code& ec, size_t n) {
        self->OnWrite(ec, n);
      });
}

void HttpConnection::OnWrite(const boost::system::error_code& ec, size_t num_bytes) {
  if (state_ == State::kClosed) return;
  if (ec) return Close();
  write_offset_ += num_bytes;
  num_bytes_due_ -= static_cast<int64_t>(num_bytes);
  if (write_offset_ < write_buffer_.size() || !write_queue_.empty()) return StartWrite();
  Disarm(write_timer_);
  num_bytes_due_ = 0;
  write_buffer_ = std::string();  // its memory, too
  write_offset_ = 0;
  if (state_ == State::kAnswering && stage_ == Stage::kComplete) FinishExchange();
}

void HttpConnection::FinishExchange() {
  num_more_bytes_ = 0;
  held_.reset();
  if (!keep_alive_) return Linger();
  state_ = State::kReading;
  Advance();
}

// Closing with unread input would reset the connection and could destroy the answer on its way.
void HttpConnection::Linger() {
  if (peer_sends_no_more_) return Close();
  state_ = State::kLingering;
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  Arm(read_timer_, context_->options.linger_timeout, &HttpConnection::OnReadTimeout);
  StartRead();
}

void HttpConnection::Close() {
  if (state_ == State::kClosed) return;
  NotifyDisconnect();
  disconnected_ = true;
  disconnect_callback_ = nullptr;
  state_ = State::kClosed;
  write_queue_ = WriteQueue();
  held_.reset();
  Disarm(read_timer_);
  Disarm(write_timer_);
  boost::system::error_code ignored;
  socket_.close(ignored);
  on_closed_(this);
}

void HttpConnection::Arm(Timer& timer, std::chrono::milliseconds timeout,
                         void (HttpConnection::*on_expiry)()) {
  timer.expires_after(timeout);
  timer.async_wait(
      [self = shared_from_this(), &timer, on_expiry](const boost::system::error_code& ec) {
        // An expiry that was already on its way when the timer was set anew shows by the later
        // time.
        if (ec || self->state_ == State::kClosed || timer.expiry() > Timer::clock_type::now())
          return;
        ((*self).*on_expiry)();
      });
}

void HttpConnection::Disarm(Timer& timer) { timer.expires_at(Timer::time_point::max()); }

}  // namespace switchyard::gateway
