#include "coordinator/gateway/error_map.h"

#include <gtest/gtest.h>

namespace switchyard::gateway {
namespace {

TEST(ErrorMap, GivesEachKindOfFaultItsStatus) {
  const std::pair<absl::Status, int> cases[] = {
      {absl::InvalidArgumentError("x"), 400},   {absl::UnauthenticatedError("x"), 401},
      {absl::PermissionDeniedError("x"), 403},  {absl::NotFoundError("x"), 404},
      {absl::ResourceExhaustedError("x"), 429}, {absl::CancelledError("x"), 499},
      {absl::InternalError("x"), 500},          {absl::UnknownError("x"), 500},
      {absl::UnavailableError("x"), 503},       {absl::DeadlineExceededError("x"), 504},
  };
  for (const auto& [status, http_status] : cases) {
    EXPECT_EQ(HttpStatusOf(status), http_status) << status;
  }
}

TEST(ErrorMap, SaysWhenToComeAgain) {
  for (const auto& status :
       {absl::ResourceExhaustedError("full"), absl::UnavailableError("down")}) {
    const HttpResponse response = ErrorResponse(status);
    ASSERT_EQ(response.headers.size(), 1u) << status;
    EXPECT_EQ(response.headers[0].first, "Retry-After");
  }
  EXPECT_TRUE(ErrorResponse(absl::InternalError("bug")).headers.empty());
}

TEST(ErrorMap, WritesOpenAisErrorObject) {
  EXPECT_EQ(ErrorObject(ParamError("top_p", "too large")).dump(),
            R"({"error":{"message":"too large","type":"invalid_request_error",)"
            R"("param":"top_p","code":null}})");
  EXPECT_EQ(ErrorObject(absl::ResourceExhaustedError("full")).dump(),
            R"({"error":{"message":"full","type":"rate_limit_error",)"
            R"("param":null,"code":"rate_limit_exceeded"}})");
}

TEST(ErrorMap, SurvivesMessagesThatAreNotUtf8) {
  EXPECT_TRUE(ParseJson(ErrorResponse(absl::InvalidArgumentError("\xff\xfe")).body).ok());
}

// An error must not send a client's megabytes back to it, nor end inside a character.
TEST(ErrorMap, CutsLongMessages) {
  for (size_t shift = 0; shift < 3; ++shift) {
    std::string text(shift, 'x');
    while (text.size() < 100'000) text += "\xE4\xBD\xA0";
    const Json error = ErrorObject(ParamError("stop", text))["error"];
    const std::string message = error["message"];
    EXPECT_LT(message.size(), 1100u);
    EXPECT_EQ(message.substr(0, 900), text.substr(0, 900));
    EXPECT_EQ(message.find("\xEF\xBF\xBD"), std::string::npos) << message;
    EXPECT_EQ(ClientMessage(absl::InternalError("short")), "short");
    EXPECT_EQ(ParseJson(ErrorResponse(ParamError("stop", text)).body).value()["error"], error);
  }
}

}  // namespace
}  // namespace switchyard::gateway
