// Long texts are written without a copy on their way.
#include "coordinator/gateway/write_queue.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

TEST(WriteQueue, JoinsSmallPieces) {
  WriteQueue queue;
  EXPECT_TRUE(queue.empty());
  for (const char* piece : {"a", "b", "c"}) queue.Push(piece);
  EXPECT_EQ(queue.num_bytes(), 3u);
  EXPECT_EQ(queue.Pop(), "abc");
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.num_bytes(), 0u);
}

TEST(WriteQueue, MovesLargePiecesAndKeepsTheOrder) {
  WriteQueue queue;
  std::string large(1 << 20, 'x');
  const char* const where = large.data();
  queue.Push("before");
  queue.Push(std::move(large));
  queue.Push("be");
  queue.Push("hind");
  EXPECT_EQ(queue.num_bytes(), 6u + (1 << 20) + 6u);
  EXPECT_EQ(queue.Pop(), "before");
  const std::string popped = queue.Pop();
  EXPECT_EQ(popped.size(), size_t{1} << 20);
  EXPECT_EQ(popped.data(), where);
  EXPECT_EQ(queue.Pop(), "behind");
}

class KeepingReply final : public HttpReply {
 public:
  void Send(HttpResponse) override {}
  void StartStream(HttpResponse head) override { kept = std::move(head.body); }
  void Write(std::string bytes) override { kept = std::move(bytes); }
  void EndStream() override {}
  void OnDisconnect(std::function<void()>) override {}

  std::string kept;
};

TEST(SseWriter, MovesEventsThatAreTextAlready) {
  const auto reply = std::make_shared<KeepingReply>();
  SseWriter writer(reply);
  for (int i = 0; i < 2; ++i) {  // with the head, and behind it
    std::string event(kSseData);
    event.reserve(1 << 20);
    event += "{}";
    const char* const where = event.data();
    writer.TextEvent(std::move(event));
    EXPECT_EQ(reply->kept, "data: {}\n\n");
    EXPECT_EQ(reply->kept.data(), where);
  }
}

}  // namespace
}  // namespace switchyard::gateway
