// A gRPC server on a free port of 127.0.0.1, for tests of services with real streams.
#ifndef SWITCHYARD_TESTS_TESTING_LOCAL_SERVER_H_
#define SWITCHYARD_TESTS_TESTING_LOCAL_SERVER_H_

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace switchyard::testing {

// The services outlive it. Its end cancels what is still open.
class LocalServer {
 public:
  explicit LocalServer(const std::vector<grpc::Service*>& services) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    for (grpc::Service* service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
  }
  ~LocalServer() { server_->Shutdown(std::chrono::system_clock::now()); }
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

  // A connection of its own: channels to one address would share one.
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_LOCAL_SERVER_H_
